"""An encoder as a player: what the players minimize, against plain PyTorch, and what is refused.

The discriminator is D(x, z) = tanh(tanh(x·A) + z·C)·B, the generator G(z) = tanh(z·K + b), the
encoder E(x) = x·W, and the optimizer plain gradient descent.
"""

from dataclasses import replace

import numpy as np
import pytest
from support.commands import HOME

from gandem.core.errors import SpecError
from gandem.core.specs import Dense, Flatten, Player, change, has_encoder, plan_spec
from gandem.core.training import (
    Feed,
    averaged_players,
    check_loss,
    initial_state,
    load_backend,
    load_loss,
    metric_names,
    passes_of_step,
)
from gandem.testing.trajectories import SMALL, load_tiny_data

torch = pytest.importorskip("torch")

RATE = 0.1
SGD = {"kind": "sgd", "learning_rate": RATE}
ENCODER = (Flatten(), Dense(units=5, bias=False))


def bigan(changes=None, encoder=ENCODER):
    """Return the spec; ``encoder``: its layers, or None for no encoder."""
    given = {"generator.optimizer": SGD, "discriminator.optimizer": SGD}
    given["generator.layers"] = [
        {"kind": "dense", "units": 64},
        {"kind": "tanh"},
        {"kind": "reshape", "shape": [8, 8, 1]},
    ]
    given["discriminator.layers"] = [
        {"kind": "flatten"},
        {"kind": "dense", "units": 5, "bias": False},
        {"kind": "tanh"},
        {
            "kind": "add",
            "input": "noise",
            "layers": [{"kind": "dense", "units": 5, "bias": False}],
        },
        {"kind": "tanh"},
        {"kind": "dense", "units": 1, "bias": False},
    ]
    spec = change(SMALL, {"training.noise": "reused"})
    if encoder is not None:
        adam = SMALL.players[0].optimizer
        player = Player(name="encoder", input="image", optimizer=adam, layers=encoder)
        spec = replace(spec, players=(*spec.players, player))
        given["encoder.optimizer"] = SGD
    return change(spec, {**given, **(changes or {})})


def softplus(x):
    return torch.nn.functional.softplus(x).mean()


LOSSES = {  # of the discriminator, the generator and the encoder, by the logits of both pairs
    "non-saturating": (
        lambda real, fake: softplus(-real) + softplus(fake),
        lambda real, fake: softplus(-fake),
        lambda real, fake: softplus(real),
    ),
    "least-squares": (
        lambda real, fake: 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean(),
        lambda real, fake: 0.5 * ((fake - 1) ** 2).mean(),
        lambda real, fake: 0.5 * (real**2).mean(),
    ),
    "relativistic": (
        lambda real, fake: softplus(fake - real),
        lambda real, fake: softplus(real - fake),
        lambda real, fake: softplus(real - fake),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_encoder_and_generator_learn_to_make_the_pairs_alike(name):
    spec = bigan({"loss.name": name})
    loss, before = load_loss(spec.loss), initial_state(spec, 0, "float64")
    inputs = Feed(spec, loss, load_tiny_data(), 0, "float64")(0)
    engine = load_backend(HOME).engine(spec, loss, before, precision="float64", device="cpu")

    metrics = engine.read(engine.step(inputs))

    after = engine.export()
    state = {k: torch.tensor(v, requires_grad=True) for k, v in before.items() if v.ndim}
    real, noise = (torch.tensor(inputs[name]) for name in ("real/0", "noise/0"))

    def play(player):
        if player == "encoder":
            return real.reshape(16, 64) @ state["encoder/dense/kernel"]
        hidden = noise @ state["generator/dense/kernel"] + state["generator/dense/bias"]
        return torch.tanh(hidden)

    def judge():
        first, last, third = (
            state[f"discriminator/{place}/kernel"] for place in ("dense", "dense_1", "add/dense")
        )
        pairs = ((real.reshape(16, 64), play("encoder")), (play("generator"), noise))
        return [torch.tanh(torch.tanh(x @ first) + z @ third) @ last for x, z in pairs]

    def learn(player, compute):
        names = [name for name in state if name.startswith(f"{player}/")]
        value = compute(*judge())
        gradients = torch.autograd.grad(value, [state[name] for name in names])
        moved = {n: state[n] - RATE * g for n, g in zip(names, gradients, strict=True)}
        return value.item(), {n: v.detach().requires_grad_(True) for n, v in moved.items()}

    losses, moved = {}, {}
    losses["discriminator"], discriminator = learn("discriminator", LOSSES[name][0])
    state |= discriminator
    for player, compute in zip(("generator", "encoder"), LOSSES[name][1:], strict=True):
        losses[player], changed = learn(player, compute)
        moved |= changed
    for player, value in losses.items():
        assert metrics[player] == pytest.approx(value, abs=1e-12)
    for array, value in (discriminator | moved).items():
        np.testing.assert_allclose(after[array], value.detach().numpy(), rtol=0, atol=1e-12)


def test_the_encoder_makes_one_pass_per_round():
    spec = bigan({"training.discriminator_steps": 2, "loss.name": "relativistic"})

    passes = passes_of_step(spec, load_loss(spec.loss), (4, 4))

    first = ["generator", "encoder", *["discriminator"] * 2]
    assert [each.player for each in passes] == [*first, *first, *["discriminator"] * 4]
    assert metric_names(spec)[-1] == "encoder"


def test_the_encoder_is_averaged_like_the_generator_and_packed_like_the_images():
    spec = bigan({"training.ema_decay": 0.9, "training.pac": 2})

    assert averaged_players(spec) == ("generator", "encoder")
    assert plan_spec(spec)["discriminator"].inputs == {"noise": (10,), "image": (8, 8, 2)}


# --- what is refused ------------------------------------------------------------------------------

DENSE, LOGIT = ([{"kind": "dense", "units": units}] for units in (5, 1))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"encoder": None},
            "discriminator: it reads the noise, which real images do not have; add a player "
            "'encoder' with input = 'image', or read only image and label.",
        ),
        (
            {"encoder": (Flatten(), Dense(units=4))},
            "encoder/dense: the encoder ends in (4,), the noise is (5,); end it with dense units "
            "= 5.",
        ),
        (
            {"changes": {"loss.r1": 1.0}},
            "loss.r1: the discriminator reads the noise beside the image, and gradient penalties "
            "differentiate by the image alone; set loss.r1 = 0.",
        ),
        (
            {"changes": {"encoder.input": "noise", "encoder.layers": DENSE}},
            "encoder/dense: an auxiliary network reads only the image; set input = 'image'.",
        ),
        (
            {"changes": {"discriminator.layers": [{"kind": "flatten"}, *LOGIT]}},
            "Nothing trains the player 'encoder': the loss of 'small' trains generator, "
            "discriminator. Remove the player, or let the discriminator read the noise, as in "
            "bigan.",
        ),
    ],
)
def test_a_spec_whose_encoder_does_not_fit_is_refused(given, words):
    with pytest.raises(SpecError) as caught:
        check_loss(spec := bigan(**given), load_loss(spec.loss))

    assert str(caught.value) == words


def test_only_a_discriminator_that_reads_the_noise_needs_an_encoder():
    assert has_encoder(bigan())
    assert not has_encoder(SMALL)
