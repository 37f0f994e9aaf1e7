"""Penalties, packing, top-k, feature matching, lookahead and adaptive augmentation, against plain
PyTorch and NumPy.

The critic is D(x) = tanh(x·A)·B, the generator G(z) = tanh(z·C + c), and the optimizer plain
gradient descent, so a few lines of autograd give the weights after a step.
"""

import numpy as np
import pytest
from support.commands import HOME, on_each

from gandem.core.errors import DataError, SpecError
from gandem.core.specs import change, digest, plan_spec
from gandem.core.training import (
    Feed,
    check_loss,
    initial_state,
    list_draws,
    list_needs,
    load_backend,
    load_loss,
    metric_names,
    passes_of_step,
    state_shapes,
)
from gandem.core.training.feed.augmentation import _shifts, draw_disturbances
from gandem.core.training.updates.due import Due
from gandem.testing.trajectories import SMALL, load_tiny_data

torch = pytest.importorskip("torch")

RATE = 0.1
DENSE = change(
    SMALL,
    {
        "training.noise": "reused",
        "training.partial_batch": "drop",
        "generator.layers": [
            {"kind": "dense", "units": 64},
            {"kind": "tanh"},
            {"kind": "reshape", "shape": [8, 8, 1]},
        ],
        "discriminator.layers": [
            {"kind": "flatten"},
            {"kind": "dense", "units": 5, "bias": False},
            {"kind": "tanh"},
            {"kind": "dense", "units": 1, "bias": False},
        ],
        "generator.optimizer": {"kind": "sgd", "learning_rate": RATE},
        "discriminator.optimizer": {"kind": "sgd", "learning_rate": RATE},
    },
)


class Step:
    """One step on a backend, with its inputs and the state around it."""

    def __init__(self, backend, changes, step=0, **running):
        self.spec = change(DENSE, changes)
        loss, data = load_loss(self.spec.loss), load_tiny_data()
        self.inputs = Feed(self.spec, loss, data, 0, "float64")(step)
        self.before = initial_state(self.spec, 0, "float64")
        self.before |= {f"running/{name}": np.array(value) for name, value in running.items()}
        engine = load_backend(backend).engine(
            self.spec, loss, self.before, precision="float64", device="cpu"
        )
        self.metrics = engine.read(engine.step(self.inputs))
        self.after = engine.export()


class Plain:
    """The same step in PyTorch, without gandem."""

    def __init__(self, step):
        self.step, self.inputs = step, {k: torch.tensor(v) for k, v in step.inputs.items()}
        state = step.before
        self.first, self.second = (
            torch.tensor(state[f"discriminator/{name}/kernel"], requires_grad=True)
            for name in ("dense", "dense_1")
        )
        kernel, bias = (torch.tensor(state[f"generator/dense/{k}"]) for k in ("kernel", "bias"))
        self.real = self.inputs["real/0"]
        self.fake = torch.tanh(self.inputs["noise/0"] @ kernel + bias).reshape(16, 8, 8, 1)

    def judge(self, images):
        return torch.tanh(images.reshape(len(images), -1) @ self.first) @ self.second

    def slopes(self, images):
        """Return the gradients by the images, (N, 64)."""
        leaf = images.detach().clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(self.judge(leaf).sum(), leaf, create_graph=True)
        return slope.reshape(len(images), -1)

    def adversarial(self):
        softplus = torch.nn.functional.softplus
        return softplus(-self.judge(self.real)).mean() + softplus(self.judge(self.fake)).mean()

    def learn(self, loss):
        """Return the discriminator's weights after gradient descent."""
        weights = [self.first, self.second]
        gradients = torch.autograd.grad(loss, weights)
        return [(w - RATE * g).detach().numpy() for w, g in zip(weights, gradients, strict=True)]


def between(plain):
    mix = plain.inputs["mix/0"]
    return mix * plain.real + (1 - mix) * plain.fake


def near_real(plain):
    """The points of the authors' program of DRAGAN."""
    real, alpha = plain.real, plain.inputs["mix/0"]
    perturbed = real + 0.5 * real.std(correction=0) * plain.inputs["shift/0"]
    return alpha * real + (1 - alpha) * perturbed


def lecam(plain):
    real, fake = plain.judge(plain.real), plain.judge(plain.fake)
    return 0.5 * (((real - -0.2) ** 2).mean() + ((fake - 0.3) ** 2).mean())


def consistency(plain):
    terms = []
    for weight, side, images in ((2.0, "real", plain.real), (3.0, "fake", plain.fake)):
        moved = images + plain.inputs[f"brightness/consistent/{side}/0"]
        mean = moved.mean((1, 2, 3), keepdim=True)
        changed = (moved - mean) * plain.inputs[f"contrast/consistent/{side}/0"] + mean
        terms.append(weight * ((plain.judge(images) - plain.judge(changed)) ** 2).mean())
    return sum(terms)


PENALTIES = {
    "R2": ({"loss.r2": 3.0}, lambda p: 1.5 * (p.slopes(p.fake) ** 2).sum(1).mean()),
    "R1 and R2": (
        {"loss.r1": 1.0, "loss.r2": 3.0},
        lambda p: (
            0.5 * (p.slopes(p.real) ** 2).sum(1).mean()
            + 1.5 * (p.slopes(p.fake) ** 2).sum(1).mean()
        ),
    ),
    "zero-centered": (
        {"loss.gradient_penalty": 4.0, "loss.gradient_penalty_norm": 0.0},
        lambda p: 4 * (p.slopes(between(p)) ** 2).sum(1).mean(),
    ),
    "DRAGAN": (
        {"loss.gradient_penalty": 4.0, "loss.gradient_penalty_points": "near-real"},
        lambda p: 4 * ((p.slopes(near_real(p)).norm(dim=1) - 1) ** 2).mean(),
    ),
    "LeCam": ({"loss.lecam": 0.5, "loss.lecam_decay": 0.9}, lecam),
    "consistency": (
        {
            "loss.consistency.real": 2.0,
            "loss.consistency.fake": 3.0,
            "loss.consistency.brightness": 0.5,
            "loss.consistency.contrast": 0.5,
        },
        consistency,
    ),
}


@on_each
@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_and_its_gradient_are_those_of_plain_pytorch(backend, name):
    changes, compute = PENALTIES[name]
    running = {"real_logits": 0.3, "fake_logits": -0.2} if name == "LeCam" else {}
    step = Step(backend, changes, **running)
    plain = Plain(step)

    penalty = compute(plain)

    assert step.metrics["penalty"] == pytest.approx(penalty.item(), abs=1e-11)
    for name, expected in zip(
        ("dense", "dense_1"), plain.learn(plain.adversarial() + penalty), strict=True
    ):
        received = step.after[f"discriminator/{name}/kernel"]
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-11)


@on_each
def test_averages_of_logits_move_after_the_update(backend):
    step = Step(backend, PENALTIES["LeCam"][0], real_logits=0.3, fake_logits=-0.2)
    plain = Plain(step)

    for name, before, images in (("real", 0.3, plain.real), ("fake", -0.2, plain.fake)):
        expected = 0.9 * before + 0.1 * plain.judge(images).mean().item()
        assert step.after[f"running/{name}_logits"] == pytest.approx(expected, abs=1e-12)


CONVOLUTIONS = {
    "generator.layers": [
        {"kind": "dense", "units": 64},
        {"kind": "reshape", "shape": [4, 4, 4]},
        {"kind": "conv2d_transpose", "filters": 3, "kernel": 4, "stride": 2},
        {"kind": "conv2d", "filters": 1, "kernel": 3},
    ],
}


@on_each
def test_the_orthogonal_penalty_adds_its_value_and_its_gradient(backend):
    plain, step = (
        Step(backend, CONVOLUTIONS | {"loss.orthogonal": weight}) for weight in (0.0, 0.3)
    )
    total = 0.0
    for layer, axes in (("dense", (0, 1)), ("conv2d_transpose", (0, 1, 3, 2))):
        name = f"generator/{layer}/kernel"
        kernel = step.before[name].transpose(axes)  # the filters last
        matrix = kernel.reshape(-1, kernel.shape[-1])
        products = matrix.T @ matrix
        np.fill_diagonal(products, 0)
        total += (products**2).sum()
        gradient = (0.3 * 4 * matrix @ products).reshape(kernel.shape).transpose(axes)
        moved = step.after[name] - plain.after[name]
        np.testing.assert_allclose(moved, -RATE * gradient, rtol=0, atol=1e-13)

    added = step.metrics["generator"] - plain.metrics["generator"]
    assert added == pytest.approx(0.3 * total, abs=1e-12)


# --- penalties in some steps ----------------------------------------------------------------------

EVERY_THIRD = {"loss.r1": 2.0, "loss.penalty_interval": 3}


@on_each
def test_a_step_without_a_penalty_learns_without_and_reports_the_last(backend):
    step = Step(backend, EVERY_THIRD, step=1, penalty=0.7)
    plain = Plain(step)

    expected = plain.learn(plain.adversarial())

    assert step.metrics["penalty"] == 0.7
    assert step.metrics["discriminator"] == pytest.approx(plain.adversarial().item() + 0.7)
    received = step.after["discriminator/dense/kernel"]
    np.testing.assert_allclose(received, expected[0], rtol=0, atol=1e-12)


@on_each
def test_a_step_with_a_penalty_has_three_times_its_weight(backend):
    step = Step(backend, EVERY_THIRD, step=3)
    plain = Plain(step)
    penalty = (plain.slopes(plain.real) ** 2).sum(1).mean()

    expected = plain.learn(plain.adversarial() + 3 * penalty)

    assert step.metrics["penalty"] == pytest.approx(penalty.item())
    assert step.after["running/penalty"] == step.metrics["penalty"]
    received = step.after["discriminator/dense/kernel"]
    np.testing.assert_allclose(received, expected[0], rtol=0, atol=1e-12)


def test_steps_without_a_penalty_make_fewer_passes_and_draw_less():
    spec = change(DENSE, {"loss.gradient_penalty": 1.0, "loss.penalty_interval": 2})
    loss = load_loss(spec.loss)
    feed = Feed(spec, loss, load_tiny_data(), 0, "float64")

    counts = [len(passes_of_step(spec, loss, (4,), Due.at(spec, i))) for i in (0, 1)]

    assert counts[0] == counts[1] + 1
    assert [sorted(feed(step).keys() & {"mix/0", "penalty_factor"}) for step in range(3)] == [
        ["mix/0", "penalty_factor"],
        [],
        ["mix/0", "penalty_factor"],
    ]


def test_a_framework_draws_for_penalties_only_in_their_steps():
    spec = change(DENSE, PENALTIES["DRAGAN"][0] | {"loss.penalty_interval": 2})
    loss = load_loss(spec.loss)
    feed = Feed(spec, loss, load_tiny_data(), 0, "float64", randomness="device")

    draws = [list_draws(spec, loss, feed(step)) for step in (0, 1)]

    assert {name: draw.kind for name, draw in draws[0].items()} == {
        **{"noise/0": "noise", "mix/0": "uniform", "shift/0": "uniform"},
    }
    assert draws[0]["shift/0"].shape == (16, 8, 8, 1)
    assert list(draws[1]) == ["noise/0"]


# --- packing and top-k ----------------------------------------------------------------------------


@on_each
def test_a_packed_discriminator_sees_neighbors_side_by_side(backend):
    step = Step(backend, {"training.pac": 2})
    plain = Plain(step)

    def pack(images):
        return torch.cat([images[0::2], images[1::2]], dim=3)  # (8, 8, 8, 2)

    plain.real, plain.fake = pack(plain.real), pack(plain.fake)

    assert step.before["discriminator/dense/kernel"].shape == (128, 5)
    assert step.metrics["discriminator"] == pytest.approx(plain.adversarial().item(), abs=1e-12)
    assert step.metrics["real_accuracy"] in np.arange(9) / 8


@on_each
@pytest.mark.parametrize(
    ("share", "step", "count"), [(0.25, 0, 4), (0.29, 0, 5), ("linear(1, 0.5, 4)", 2, 12)]
)
def test_the_generator_learns_from_its_best_images(backend, share, step, count):
    step = Step(backend, {"loss.top_k": share}, step=step)
    plain = Plain(step)
    plain.first, plain.second = (
        torch.tensor(step.after[f"discriminator/{name}/kernel"]) for name in ("dense", "dense_1")
    )

    best = np.sort(plain.judge(plain.fake).numpy().ravel())[-count:]

    assert step.metrics["generator"] == pytest.approx(np.logaddexp(0, -best).mean(), abs=1e-12)


# --- feature matching -----------------------------------------------------------------------------

FEATURES = {"discriminator.outputs": ["tanh"], "loss.feature_matching": 3.0}


@pytest.mark.parametrize(("weight", "passes"), [(0.0, "separate"), (0.5, "joint")])
def test_the_generator_matches_mean_features_of_the_updated_discriminator(weight, passes):
    changes = {**FEATURES, "loss.adversarial_weight": weight, "training.passes": passes}
    step = Step(HOME, changes)
    plain = Plain(step)
    first, second = (
        torch.tensor(step.after[f"discriminator/{name}/kernel"]) for name in ("dense", "dense_1")
    )
    kernel, bias = (torch.tensor(step.before[f"generator/dense/{k}"]) for k in ("kernel", "bias"))
    kernel.requires_grad_(True)
    fake = torch.tanh(plain.inputs["noise/0"] @ kernel + bias)

    features = [torch.tanh(x.reshape(16, 64) @ first) for x in (plain.real, fake)]
    between = features[0].mean(0) - features[1].mean(0)
    adversarial = torch.nn.functional.softplus(-(features[1] @ second)).mean()
    loss = weight * adversarial + 3.0 * (between**2).sum()

    (gradient,) = torch.autograd.grad(loss, kernel)
    assert step.metrics["generator"] == pytest.approx(loss.item(), abs=1e-12)
    expected = (kernel - RATE * gradient).detach().numpy()
    received = step.after["generator/dense/kernel"]
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"loss.feature_matching": 1.0},
            "loss.feature_matching: no layer is named whose outputs are compared; set "
            "discriminator.outputs to the names of layers, for example "
            "discriminator.outputs = ['tanh'].",
        ),
        (
            {**FEATURES, "discriminator.outputs": ["tan"]},
            "discriminator.outputs: there is no earlier layer 'layer:tan'. Did you mean "
            "'layer:tanh'?",
        ),
        (
            {"loss.adversarial_weight": 0.0},
            "loss.adversarial_weight: 0 leaves the generator without a loss; set "
            "loss.feature_matching.",
        ),
    ],
)
def test_feature_matching_without_features_is_refused(changes, words):
    with pytest.raises(SpecError) as caught:
        plan_spec(change(DENSE, changes))

    assert str(caught.value) == words


# --- lookahead ------------------------------------------------------------------------------------


def test_weights_return_part_of_the_way_after_each_interval():
    def train(steps, **changes):
        spec = change(DENSE, {f"training.{name}": value for name, value in changes.items()})
        state = initial_state(spec, 0, "float64")
        loss = load_loss(spec.loss)
        feed = Feed(spec, loss, load_tiny_data(), 0, "float64")
        engine = load_backend(HOME).engine(spec, loss, state, precision="float64", device="cpu")
        for step in range(steps):
            engine.step(feed(step))
        return state, engine.export()

    start, plain = train(2)
    _, after = train(2, lookahead_interval=2, lookahead_share=0.25)
    _, before = train(1, lookahead_interval=2, lookahead_share=0.25)

    for name in ("generator/dense/kernel", "discriminator/dense/kernel"):
        expected = start[name] + 0.25 * (plain[name] - start[name])
        np.testing.assert_allclose(after[name], expected, rtol=0, atol=1e-14)
        assert np.array_equal(after[f"lookahead/{name}"], after[name])
        assert np.array_equal(before[f"lookahead/{name}"], start[name])
    assert not np.array_equal(start["generator/dense/kernel"], plain["generator/dense/kernel"])


# --- augmentation ---------------------------------------------------------------------------------

COLORS = {"brightness": 0.5, "saturation": 1.0, "contrast": 0.5}


@pytest.mark.parametrize(("low", "half_range"), [(-1.0, 1.0), (0.0, 0.5)])
def test_colors_are_drawn_from_the_ranges_of_the_paper(low, half_range):
    layers = [{"kind": "dense", "units": 64}, {"kind": "reshape", "shape": [8, 8, 1]}]
    changes = {f"training.augment.{name}": value for name, value in COLORS.items()}
    spec = change(DENSE, changes | {"image.low": low, "generator.layers": layers})

    drawn = draw_disturbances(spec, "fake/0", 2000, 0, 5)

    ends = {"brightness": (-half_range / 2, half_range / 2), "saturation": (0, 2)}
    for name, (least, most) in (ends | {"contrast": (0.5, 1.5)}).items():
        values = drawn[f"{name}/fake/0"]
        assert values.min() == pytest.approx(least, abs=0.01)
        assert values.max() == pytest.approx(most, abs=0.01)
        assert values.mean() == pytest.approx((least + most) / 2, abs=0.03)


@on_each
@pytest.mark.parametrize("probability", [1.0, 0.5])
def test_colors_and_their_probability_are_those_of_diffaugment(backend, probability):
    changes = {f"training.augment.{name}": value for name, value in COLORS.items()}
    step = Step(backend, changes | {"training.augment.probability": probability})
    plain = Plain(step)

    def augment(x, where):  # the functions of DiffAugment_pytorch.py, on the same random numbers
        brightness, saturation, contrast = (plain.inputs[f"{k}/{where}"] for k in COLORS)
        changed = x + brightness
        mean = changed.mean(dim=3, keepdim=True)
        changed = (changed - mean) * saturation + mean
        mean = changed.mean(dim=[1, 2, 3], keepdim=True)
        changed = (changed - mean) * contrast + mean
        if probability == 1.0:
            return changed
        return torch.where(plain.inputs[f"color_gate/{where}"] < probability, changed, x)

    plain.real, plain.fake = augment(plain.real, "real/0"), augment(plain.fake, "fake/0")

    assert step.metrics["discriminator"] == pytest.approx(plain.adversarial().item(), abs=1e-12)


@on_each
def test_schedules_of_probabilities_weights_and_clipping_act_in_single_precision(backend):
    changes = {
        "training.augment.flip": True,
        "training.augment.probability": "linear(0, 1, 8)",
        "loss.r2": "linear(2, 0, 8)",
        "loss.lecam": 1.0,
        "loss.lecam_decay": "linear(0.5, 0.9, 8)",
        "discriminator.optimizer.clip_norm": "linear(0, 1, 8)",
    }
    spec = change(DENSE, changes)
    loss, state = load_loss(spec.loss), initial_state(spec, 0, "float32")
    feed = Feed(spec, loss, load_tiny_data(), 0, "float32")
    engine = load_backend(backend).engine(spec, loss, state, precision="float32", device="cpu")
    start = engine.export()["discriminator/dense/kernel"]

    before, after = (
        (engine.read(engine.step(feed(step)))["penalty"], engine.export()) for step in (0, 8)
    )

    assert np.array_equal(before[1]["discriminator/dense/kernel"], start)  # clipped to nothing
    assert not np.array_equal(after[1]["discriminator/dense/kernel"], start)
    averages = [state["running/real_logits"] for _, state in (before, after)]
    assert len({float(average) for average in averages}) == 2
    assert before[0] > after[0] > 0


ADAPTIVE = {
    "training.augment.cutout": 0.5,
    "training.augment.adaptive_target": 0.3,
    "training.augment.adaptive_images": 200,
}


@on_each
def test_the_probability_follows_the_mean_sign_of_real_logits(backend):
    target = 0.1
    spec = change(DENSE, ADAPTIVE | {"training.augment.adaptive_target": target})
    loss = load_loss(spec.loss)
    feed = Feed(spec, loss, load_tiny_data(), 0, "float64")
    engine = load_backend(backend).engine(
        spec, loss, initial_state(spec, 0, "float64"), precision="float64", device="cpu"
    )
    probability, signs, seen = 0.0, [], []

    for number in range(40):
        metrics = engine.read(engine.step(feed(number)))
        signs.append(2 * metrics["real_accuracy"] - 1)
        if len(signs) == 4:  # ada_stats, in StyleGAN2-ADA's training loop
            adjust = np.sign(np.mean(signs) - target) * (16 * 4) / 200
            probability, signs = min(max(probability + adjust, 0.0), 1.0), []
        seen.append(probability)
        assert metrics["augment_probability"] == pytest.approx(probability, abs=1e-12)

    assert len(set(seen)) > 2
    assert engine.export()["running/augment_probability"] == pytest.approx(probability, abs=1e-12)


@on_each
def test_no_image_is_augmented_at_probability_0_and_every_one_at_1(backend):
    losses = []
    for probability in (0.0, 1.0):
        step = Step(backend, ADAPTIVE, augment_probability=probability)
        plain = Plain(step)
        if probability:
            plain.real = plain.real * plain.inputs["window/real/0"]
            plain.fake = plain.fake * plain.inputs["window/fake/0"]
        losses.append(plain.adversarial().item())
        assert step.metrics["discriminator"] == pytest.approx(losses[-1], abs=1e-12)
    assert losses[0] != losses[1]


# --- names, digests and what is refused -----------------------------------------------------------


def test_state_and_metrics_have_a_number_for_each_setting():
    changes = {"loss.lecam": 1.0, **EVERY_THIRD, **ADAPTIVE}

    spec = change(DENSE, changes)

    names = [name for name in state_shapes(spec) if name.startswith("running/")]
    expected = ["real_logits", "fake_logits", "penalty", "augment_probability", "real_signs"]
    assert names == [f"running/{name}" for name in expected]
    assert metric_names(spec)[4:] == ("penalty", "augment_probability")
    assert not any(name.startswith("running/") for name in state_shapes(DENSE))


def test_default_values_of_the_fields_leave_the_digest_unchanged():
    defaults = {"loss.r2": 0.0, "loss.top_k": 1.0, "training.pac": 1, "loss.orthogonal": 0.0}

    assert digest(change(DENSE, defaults)) == digest(DENSE)
    assert digest(change(DENSE, {"loss.r2": 0.1})) != digest(DENSE)


def test_r2_takes_second_derivatives():
    assert list_needs(change(DENSE, {"loss.r2": 1.5}))["second-order"] == "loss.r2 is 1.5"


REFUSALS = {
    "probability of nothing": (
        {"training.augment.probability": 0.5},
        "training.augment.probability: there is nothing to apply; choose what to change, for "
        "example training.augment.flip = true.",
    ),
    "adaptation of nothing": (
        {"training.augment.adaptive_target": 0.6},
        "training.augment.adaptive_target: there is nothing to apply; choose what to change, for "
        "example training.augment.flip = true.",
    ),
    "adaptation to a critic": (
        ADAPTIVE | {"loss.name": "wasserstein"},
        "training.augment.adaptive_target: the loss 'wasserstein' has no logit above which an "
        "image is classified as real; set it to 0, or choose another loss.",
    ),
    "consistency with nothing": (
        {"loss.consistency.fake": 1.0},
        "loss.consistency.fake: images are compared with themselves; choose what to change, for "
        "example loss.consistency.flip = true.",
    ),
    "interval of no penalty": (
        {"loss.penalty_interval": 4},
        "loss.penalty_interval: there is no gradient penalty to compute every 4 steps; set loss.r1 "
        "or loss.gradient_penalty, or leave it 1.",
    ),
    "packed classes": (
        {"training.pac": 2, "classes": 3},
        "training.pac: 2 images of different classes have no common label; set classes = 0 or "
        "training.pac = 1.",
    ),
    "packs that do not fill a batch": (
        {"training.pac": 3},
        "training.pac: a batch of 16 images cannot be divided into groups of 3; set "
        "batch_size to a multiple of it.",
    ),
    "top-k of pairs": (
        {"loss.name": "relativistic", "loss.top_k": 0.5},
        "loss.top_k: the loss 'relativistic' compares each fake image with a real one; set "
        "loss.top_k = 1.",
    ),
    "colors of points": (
        {"image": {"size": 64}, "generator.layers.2": {"kind": "tanh"}, "augment.contrast": 0.5,
         "discriminator.layers.0": {"kind": "tanh"}},
        "training.augment.contrast: the spec 'small' makes points, which have no pixels to move; "
        "set training.augment.contrast=0.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_setting_without_effect_or_meaning_is_refused(name):
    changes, line = REFUSALS[name]

    def check():
        spec = change(DENSE, changes)
        check_loss(spec, load_loss(spec.loss))

    with pytest.raises(SpecError) as caught:
        check()

    assert str(caught.value) == line


def test_a_partial_batch_that_does_not_fill_packs_is_refused():
    spec = change(DENSE, {"training.pac": 4, "training.partial_batch": "keep"})

    with pytest.raises(DataError) as caught:
        Feed(spec, load_loss(spec.loss), load_tiny_data(), 0, "float64")

    assert str(caught.value) == (
        "training.pac: the last batch has 6 images, which cannot be divided into groups of 4; set "
        'training.partial_batch="drop".'
    )


def test_an_augmented_image_moves_by_the_distance_that_was_drawn():
    column = np.arange(1.0, 6.0)

    moved = _shifts(5, np.array([2, -1])) @ column

    assert moved.tolist() == [[0, 0, 1, 2, 3], [2, 3, 4, 5, 0]]
