"""Losses that compare real with fake images: what the players see, and what is refused."""

import numpy as np
import pytest
from support.commands import on_each

from gandem.callbacks.diagnostics.monitor import LossScale
from gandem.core import specs as kinds
from gandem.core.errors import SpecError
from gandem.core.specs import Loss, change
from gandem.core.training import (
    Feed,
    check_loss,
    initial_state,
    load_backend,
    load_loss,
    passes_of_step,
)
from gandem.testing.trajectories import SMALL, find_trajectory, load_tiny_data

LINEAR = change(
    SMALL,
    {
        "loss.name": "relativistic",
        "training.noise": "reused",
        "generator.layers": [
            {"kind": "dense", "units": 64},
            {"kind": "tanh"},
            {"kind": "reshape", "shape": [8, 8, 1]},
        ],
        "discriminator.layers": [{"kind": "flatten"}, {"kind": "dense", "units": 1, "bias": False}],
    },
)
"""A critic D(x) = x·w, and a generator G(z) = tanh(z·A + b)."""


def softplus(x):
    return np.logaddexp(0, x)


def average(real, fake):
    return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()


def hinge(real, fake):
    above, below = 1 - (real - fake.mean()), 1 + (fake - real.mean())
    return np.maximum(above, 0).mean() + np.maximum(below, 0).mean()


def least_squares(real, fake):
    return ((real - fake.mean() - 1) ** 2).mean() + ((fake - real.mean() + 1) ** 2).mean()


FORMULAS = {
    "relativistic": lambda real, fake: softplus(fake - real).mean(),
    "relativistic-average": average,
    "relativistic-average-hinge": hinge,
    "relativistic-average-least-squares": least_squares,
}


@on_each
@pytest.mark.parametrize("name", FORMULAS)
def test_both_players_compare_the_same_real_images_with_the_fake_ones(backend, name):
    spec = change(LINEAR, {"loss.name": name})
    loss, before = load_loss(spec.loss), initial_state(spec, 0, "float64")
    inputs = Feed(spec, loss, load_tiny_data(), 0, "float64")(0)
    engine = load_backend(backend).engine(spec, loss, before, precision="float64", device="cpu")

    losses = engine.read(engine.step(inputs))

    after = engine.export()
    kernel, bias = (before[f"generator/dense/{name}"] for name in ("kernel", "bias"))
    real = inputs["real/0"].reshape(16, 64)
    fake = np.tanh(inputs["noise/0"] @ kernel + bias)
    first, second = (state["discriminator/dense/kernel"] for state in (before, after))
    formula = FORMULAS[name]
    assert losses["discriminator"] == pytest.approx(formula(real @ first, fake @ first), abs=1e-12)
    assert losses["generator"] == pytest.approx(formula(fake @ second, real @ second), abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [({}, [4, 4, 4, 4]), ({"training.passes": "joint"}, [8, 8])],
)
def test_the_generator_costs_a_pass_over_the_real_images(changes, rows):
    passes = passes_of_step(change(LINEAR, changes), load_loss(LINEAR.loss), (4,))

    assert [each.rows for each in passes if each.player == "discriminator"] == rows


def test_real_images_are_augmented_anew_for_the_generator():
    case = find_trajectory("relativistic average hinge, dropout, augmented")

    inputs = case.feed()(3)

    for name in ("columns", "window", "disturbance"):
        shown = [inputs[f"{name}/{where}"] for where in ("real/1", "real/generator", "generator")]
        assert len({array.tobytes() for array in shown}) == 3


@pytest.mark.parametrize("name", FORMULAS)
def test_diagnostics_know_the_loss_of_guessing(name):
    spec = change(LINEAR, {"loss.name": name})
    zero = np.zeros((1, 1))

    scale = LossScale.of(spec, load_loss(spec.loss))

    assert scale.guessing == pytest.approx(FORMULAS[name](zero, zero), abs=1e-6)
    assert scale.least is None


# --- what is refused ------------------------------------------------------------------------------


def refusal(spec):
    with pytest.raises(SpecError) as caught:
        check_loss(spec, load_loss(spec.loss))
    return str(caught.value)


def test_unequal_batches_are_refused():
    line = refusal(change(LINEAR, {"training.generator_batches": 2, "training.noise": "fresh"}))

    assert line == (
        "training.generator_batches: the loss 'relativistic' compares as many real as fake images, "
        "and the generator gets 2 batches of fake images for one of real images; set "
        "training.generator_batches = 1."
    )


def test_a_last_bias_without_a_gradient_is_refused():
    layers = (kinds.Flatten(), kinds.Dense(units=1))

    line = refusal(change(LINEAR, {"discriminator.layers": layers}))

    assert line == (
        "discriminator/dense: the loss 'relativistic' depends on differences of logits, so the "
        "gradient of this bias is 0 and an optimizer would amplify its rounding errors; set "
        "discriminator.layers.1.bias = false."
    )


def test_label_smoothing_is_refused():
    with pytest.raises(SpecError, match=r"'relativistic' has no target to smooth; expected 0"):
        load_loss(Loss(name="relativistic", label_smoothing=0.1))
