"""Images at several resolutions: their checks, the feed, and one step against plain PyTorch.

The critic is D(x, x') = tanh([x, x']·A)·B of an image of 8 rows and one of 4, the generator gives
x' = z·C + c and x, tanh of x' enlarged, and the optimizer is plain gradient descent.
"""

import numpy as np
import pytest
from support.commands import on_each

from gandem.core.errors import SpecError
from gandem.core.specs import change, image_shapes, input_shapes, load_spec, plan_spec
from gandem.core.training import (
    Feed,
    check_loss,
    initial_state,
    list_draws,
    load_backend,
    load_loss,
    resolve_loss,
)
from gandem.core.training.feed.augmentation import draw_disturbances
from gandem.testing.trajectories import SMALL, load_tiny_data

torch = pytest.importorskip("torch")

RATE = 0.1
SGD = {"kind": "sgd", "learning_rate": RATE}
PYRAMID = change(
    SMALL,
    {
        "training.partial_batch": "drop",
        "training.noise": "reused",
        "generator.outputs": ["image_4"],
        "generator.layers": [
            {"kind": "dense", "units": 16},
            {"kind": "reshape", "shape": [4, 4, 1], "name": "image_4"},
            {"kind": "upsample2d"},
            {"kind": "tanh"},
        ],
        "discriminator.layers": [
            {"kind": "flatten"},
            {"kind": "concatenate", "input": "image:4", "layers": [{"kind": "flatten"}]},
            {"kind": "dense", "units": 5, "bias": False},
            {"kind": "tanh"},
            {"kind": "dense", "units": 1, "bias": False},
        ],
        "generator.optimizer": SGD,
        "discriminator.optimizer": SGD,
    },
)


HEADS = {
    f"{player}.layers.{place}": {"kind": "head", "resolution": 8, "layers": [{"kind": kind}]}
    for player, place, kind in (("generator", 3, "tanh"), ("discriminator", 0, "flatten"))
}


# --- specs ----------------------------------------------------------------------------------------


def test_networks_read_the_images_that_the_generator_lists():
    assert image_shapes(PYRAMID) == {"image": (8, 8, 1), "image:4": (4, 4, 1)}
    assert input_shapes(PYRAMID)["image:4"] == (4, 4, 1)
    assert plan_spec(PYRAMID)["discriminator"].inputs == image_shapes(PYRAMID)
    packed = plan_spec(change(PYRAMID, {"training.pac": 2}))["discriminator"].inputs
    assert packed == {"image": (8, 8, 2), "image:4": (4, 4, 2)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"generator.outputs": ["image_3"]},
            "generator.outputs: 'image_3' has 3 rows, and the images are 8x8 pixels; the height "
            "must be a multiple of the rows, and that factor must divide the width.",
        ),
        (
            {"generator.outputs": ["image_16"]},
            "'image_16' has 16 rows, and the images are 8x8 pixels",
        ),
        (
            {"image.width": 7},
            "'image_4' has 4 rows, and the images are 8x7 pixels",
        ),
        (
            {"generator.outputs": ["image_8"]},
            "generator.outputs: 'image_8' has the full resolution, which only the last layer gives",
        ),
        (
            {"generator.outputs": ["image_4", "image_2"]},
            "generator.outputs: there is no earlier layer 'layer:image_2'",
        ),
        (
            {"generator.outputs": []},
            "discriminator/concatenate: there is no input 'image:4'. List a layer 'image_4' of the "
            "generator in generator.outputs.",
        ),
        (
            {"discriminator.layers.1.input": "image:2"},
            "there is no input 'image:2'. List a layer 'image_2'",
        ),
        (
            {"discriminator.layers.1.input": "image"},
            "generator.outputs: the discriminator does not read 'image:4', so nothing trains the "
            "layer 'image_4'",
        ),
        (
            {"generator.layers.1.shape": [2, 8, 1], "generator.layers.2.factor": [4, 1]},
            r"generator/image_4: it gives \(2, 8, 1\), and the image has \(4, 4, 1\)",
        ),
        (
            {"training.stages": [{"resolution": 8, "length": 100}], **HEADS},
            "training.stages: the generator gives 'image_4' beside its last layer, and a stage has "
            "one resolution",
        ),
        (
            {"generator.layers.2": {"kind": "add", "input": "image:4"}},
            "generator: it cannot read the real image",
        ),
        (
            {"image": {"size": 2}, "generator.layers.1.name": "image_4"},
            "generator.outputs: 'image_4' is an image of 4 rows, and the spec 'small' makes points",
        ),
    ],
)
def test_resolutions_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        plan_spec(change(PYRAMID, changes))


def test_msg_gan_trains_with_a_relativistic_loss():
    settings = {"loss": "relativistic-average-hinge", "r1": 0, "width": 2}
    spec = load_spec("msg-gan", settings)

    check_loss(spec, load_loss(spec.loss))  # its last bias would have no gradient

    assert not spec.player("discriminator").layers[-1].bias


# --- the feed -------------------------------------------------------------------------------------


def test_real_images_are_brought_to_each_resolution_exactly():
    spec, data = change(PYRAMID, {"training.flip": True}), load_tiny_data()
    feed = Feed(spec, load_loss(spec.loss), data, 0, "float64")

    inputs = feed(3)

    blocks = inputs["real/0"].reshape(16, 4, 2, 4, 2, 1)
    np.testing.assert_allclose(inputs["real:4/0"], blocks.mean((2, 4)), rtol=0, atol=1e-15)
    assert feed.bytes_and_values() is None  # an engine that holds bytes cannot average them


def test_a_framework_draws_the_shifts_of_each_resolution():
    changes = {"loss.gradient_penalty": 1.0, "loss.gradient_penalty_points": "near-real"}
    spec = change(PYRAMID, changes)
    loss = load_loss(spec.loss)
    feed = Feed(spec, loss, load_tiny_data(), 0, "float64", randomness="device")

    draws = list_draws(spec, loss, feed(0))

    assert {draws[name].shape for name in ("shift/0", "shift:4/0")} == {
        (16, 8, 8, 1),
        (16, 4, 4, 1),
    }


def test_augmentation_moves_all_resolutions_alike():
    transforms = {"flip": True, "translation": 0.5, "cutout": 0.5}
    spec = change(PYRAMID, {f"training.augment.{k}": v for k, v in transforms.items()})
    drawn = draw_disturbances(spec, "real/0", 16, 0, 0)
    images = np.random.default_rng(0).normal(size=(16, 4, 4))
    large = images.repeat(2, 1).repeat(2, 2)

    moved, small = (
        drawn[f"rows{key}/real/0"] @ x @ drawn[f"columns{key}/real/0"].swapaxes(1, 2)
        for key, x in (("", large), (":4", images))
    )

    # images without finer detail: moving and downsampling give the same in either order
    blocks = moved.reshape(16, 4, 2, 4, 2).mean((2, 4))
    np.testing.assert_allclose(small, blocks, rtol=0, atol=1e-14)
    window = drawn["window/real/0"].reshape(16, 4, 2, 4, 2, 1).mean((2, 4))
    np.testing.assert_array_equal(drawn["window:4/real/0"], window)


# --- one step -------------------------------------------------------------------------------------


class Plain:
    """One step of the GAN in PyTorch, without gandem."""

    def __init__(self, inputs, before):
        self.inputs = {name: torch.tensor(value) for name, value in inputs.items()}
        names = ("discriminator/dense/kernel", "discriminator/dense_1/kernel")
        names += ("generator/dense/kernel", "generator/dense/bias")
        self.weights = [torch.tensor(before[name], requires_grad=True) for name in names]
        self.real = [self.inputs["real/0"], self.inputs["real:4/0"]]

    def generate(self):
        small = self.inputs["noise/0"] @ self.weights[2] + self.weights[3]
        small = small.reshape(16, 4, 4, 1)
        return [torch.tanh(small.repeat_interleave(2, 1).repeat_interleave(2, 2)), small]

    def judge(self, images):
        features = torch.cat([image.reshape(len(image), -1) for image in images], 1)
        return torch.tanh(features @ self.weights[0]) @ self.weights[1]

    def slopes(self, images):
        """Return the norm of the gradient at each resolution, (2, N)."""
        leaves = [image.detach().clone().requires_grad_(True) for image in images]
        slopes = torch.autograd.grad(self.judge(leaves).sum(), leaves, create_graph=True)
        return torch.stack([slope.reshape(len(slope), -1).norm(dim=1) for slope in slopes])

    def between(self, fake):
        mix = self.inputs["mix/0"]
        return [mix * r + (1 - mix) * f for r, f in zip(self.real, fake, strict=True)]

    def near_real(self):
        mix, keys = self.inputs["mix/0"], ("shift/0", "shift:4/0")
        return [
            real + (1 - mix) * 0.5 * real.std(correction=0) * self.inputs[key]
            for key, real in zip(keys, self.real, strict=True)
        ]


PENALTIES = {
    "WGAN-GP": (
        {"loss.gradient_penalty": 4.0},
        lambda p, fake: 4 * ((p.slopes(p.between(fake)) - 1) ** 2).mean(),
    ),
    "DRAGAN": (
        {"loss.gradient_penalty": 4.0, "loss.gradient_penalty_points": "near-real"},
        lambda p, fake: 4 * ((p.slopes(p.near_real()) - 1) ** 2).mean(),
    ),
    "R1 and R2": (
        {"loss.r1": 1.0, "loss.r2": 3.0},
        lambda p, fake: 0.5 * (p.slopes(p.real) ** 2).mean() + 1.5 * (p.slopes(fake) ** 2).mean(),
    ),
}


@on_each
@pytest.mark.parametrize("name", PENALTIES)
def test_a_step_on_two_resolutions_is_that_of_plain_pytorch(backend, name):
    changes, penalty = PENALTIES[name]
    spec = change(PYRAMID, changes)
    loss = resolve_loss(spec)
    inputs = Feed(spec, loss, load_tiny_data(), 0, "float64")(0)
    before = initial_state(spec, 0, "float64")
    plain, softplus = Plain(inputs, before), torch.nn.functional.softplus
    *critic, kernel, bias = plain.weights
    fake = [image.detach() for image in plain.generate()]
    total = softplus(-plain.judge(plain.real)).mean() + softplus(plain.judge(fake)).mean()
    slopes = torch.autograd.grad(total + penalty(plain, fake), critic)
    with torch.no_grad():
        for weight, slope in zip(critic, slopes, strict=True):
            weight -= RATE * slope
    g_loss = softplus(-plain.judge(plain.generate())).mean()
    slopes = torch.autograd.grad(g_loss, [kernel, bias])
    expected = [*critic, *(w - RATE * g for w, g in zip((kernel, bias), slopes, strict=True))]

    engine = load_backend(backend).engine(spec, loss, before, precision="float64", device="cpu")
    engine.step(inputs)
    after = engine.export()

    names = [f"discriminator/{layer}/kernel" for layer in ("dense", "dense_1")]
    names += ["generator/dense/kernel", "generator/dense/bias"]
    for name, value in zip(names, expected, strict=True):
        np.testing.assert_allclose(after[name], value.detach().numpy(), rtol=0, atol=1e-11)
