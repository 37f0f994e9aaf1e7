"""Path length regularization, of a generator whose Jacobian is known."""

from dataclasses import replace

import numpy as np
import pytest
from support.commands import on_each

from gandem.core.data.dataset import Dataset
from gandem.core.errors import SpecError
from gandem.core.specs import (
    SGD,
    Dense,
    Latent,
    Loss,
    PathLength,
    PixelNorm,
    Player,
    Points,
    Spec,
    Training,
    Zeros,
    change,
    plan_spec,
)
from gandem.core.training import (
    Feed,
    initial_state,
    list_draws,
    list_needs,
    load_backend,
    load_loss,
    metric_names,
)

RATE, DECAY = 0.1, 0.9
LINEAR = Spec(
    name="linear",
    image=Points(size=3),
    latent=Latent(size=2),
    loss=Loss(path_length=PathLength(weight=0.5, layer="style", interval=2, decay=DECAY, shrink=4)),
    training=Training(batch_size=8, partial_batch="drop"),
    players=(
        Player(
            name="generator",
            input="noise",
            optimizer=SGD(learning_rate=RATE),
            layers=(Dense(name="style", units=4), Dense(name="last", units=3)),
            outputs=("style",),
        ),
        Player(
            name="discriminator",
            input="image",
            optimizer=SGD(learning_rate=0.0),
            layers=(Dense(units=1, kernel_init=Zeros()),),
        ),
    ),
)
"""The Jacobian by the style is the last kernel; the generator has no gradient from elsewhere."""


def feed(precision="float64", **more):
    data = Dataset("points", np.zeros((16, 3), np.float32), np.zeros(16, int))
    return Feed(LINEAR, load_loss(LINEAR.loss), data, 0, precision, **more)


def penalty(kernel, direction, average):
    """Return the penalty and the new average, in NumPy."""
    lengths = np.sqrt(np.sum((direction @ kernel.T) ** 2, axis=1) + 1e-12)
    average = DECAY * average + (1 - DECAY) * lengths.mean()
    return 2 * 0.5 * np.mean((lengths - average) ** 2), average


@on_each
def test_the_generator_descends_the_penalty_and_the_average_moves(backend):
    before = initial_state(LINEAR, 0, "float64") | {"running/path_length": np.array(0.3)}
    loss, inputs = load_loss(LINEAR.loss), feed()(2)
    engine = load_backend(backend).engine(LINEAR, loss, before, precision="float64", device="cpu")

    metrics = engine.read(engine.step(inputs))

    kernel, direction = before["generator/last/kernel"], inputs["direction/path"]
    gradient = np.zeros_like(kernel)
    for place in np.ndindex(kernel.shape):
        step = np.zeros_like(kernel)
        step[place] = 1e-6
        ends = [penalty(kernel + sign * step, direction, 0.3)[0] for sign in (1, -1)]
        gradient[place] = (ends[0] - ends[1]) / 2e-6
    after = engine.export()
    assert np.abs(after["generator/last/kernel"] - (kernel - RATE * gradient)).max() < 1e-9
    assert np.abs(gradient).max() > 0.01
    assert (after["generator/last/bias"] == before["generator/last/bias"]).all()
    assert metrics["path_length"] == pytest.approx(penalty(kernel, direction, 0.3)[1], rel=1e-12)
    assert after["running/path_length"] == metrics["path_length"]


@on_each
def test_paths_may_begin_at_a_layer_without_parameters_before_it(backend):
    layers = (PixelNorm(name="style"), Dense(name="last", units=3))
    spec = replace(LINEAR, players=(replace(LINEAR.players[0], layers=layers), LINEAR.players[1]))
    before, loss = initial_state(spec, 0, "float64"), load_loss(spec.loss)
    inputs = feed()(2)
    engine = load_backend(backend).engine(spec, loss, before, precision="float64", device="cpu")

    metrics = engine.read(engine.step(inputs))

    expected = penalty(before["generator/last/kernel"], inputs["direction/path"], 0.0)[1]
    assert metrics["path_length"] == pytest.approx(expected, rel=1e-12)


@on_each
@pytest.mark.parametrize(("mode", "factor"), [("bfloat16", 1.02), ("device", 3)])
def test_path_lengths_are_measured_in_other_modes_too(backend, mode, factor):
    """A framework that draws has other directions; their lengths have the same scale."""
    precision, more = ("bfloat16", {}) if mode == "bfloat16" else ("float32", {"randomness": mode})
    loss, before = load_loss(LINEAR.loss), initial_state(LINEAR, 0, precision)
    engine = load_backend(backend).engine(LINEAR, loss, before, precision=precision, device="cpu")

    metrics = engine.read(engine.step(feed(precision=precision, **more)(0)))

    kernel = before["generator/last/kernel"]
    direction = feed()(0)["direction/path"]
    expected = penalty(kernel, direction, 0.0)[1]
    assert expected / factor < metrics["path_length"] < factor * expected


@on_each
def test_a_step_that_is_not_due_keeps_the_average_and_the_generator(backend):
    before = initial_state(LINEAR, 0, "float64") | {"running/path_length": np.array(0.3)}
    loss = load_loss(LINEAR.loss)
    engine = load_backend(backend).engine(LINEAR, loss, before, precision="float64", device="cpu")

    metrics = engine.read(engine.step(feed()(1)))

    after = engine.export()
    assert metrics["path_length"] == after["running/path_length"] == 0.3
    assert (after["generator/last/kernel"] == before["generator/last/kernel"]).all()


def test_a_step_that_is_due_reads_a_smaller_batch():
    shapes = [{name: value.shape for name, value in feed()(step).items()} for step in (0, 1)]

    assert set(shapes[0]) - set(shapes[1]) == {"noise/path", "direction/path", "path_factor"}
    assert (shapes[0]["noise/path"], shapes[0]["direction/path"]) == ((2, 2), (2, 3))


def test_a_framework_draws_for_path_lengths_only_in_their_steps():
    loss, given = load_loss(LINEAR.loss), feed(randomness="device")

    draws = [list_draws(LINEAR, loss, given(step)) for step in (0, 1)]

    assert {name: d.kind for name, d in draws[0].items() if name not in draws[1]} == {
        "noise/path": "noise",
        "direction/path": "normal",
    }


def test_path_lengths_are_reported_and_need_second_derivatives():
    assert "path_length" in metric_names(LINEAR)
    assert list_needs(LINEAR)["second-order"] == "loss.path_length.weight is 0.5"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"loss.path_length.layer": "stile"},
            r"loss\.path_length\.layer: 'stile' is not among the outputs of the generator, "
            r"\['style'\]; name one, or add it there\.",
        ),
        (
            {"loss.path_length.weight": 0},
            r"loss\.path_length\.interval: there is no penalty to compute every 2 steps; set "
            r"loss\.path_length\.weight, or leave it 1\.",
        ),
    ],
)
def test_settings_without_meaning_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        plan_spec(change(LINEAR, changes))
