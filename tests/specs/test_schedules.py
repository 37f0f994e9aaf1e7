"""Schedules: their formulas, their spelling, and errors that name the field."""

import itertools
import math

import pytest

from gandem.core.errors import SpecError
from gandem.core.specs import (
    Adam,
    Cosine,
    Exponential,
    Linear,
    Piecewise,
    Steps,
    Warmup,
    at_start,
    at_step,
    change,
    digest,
    find_schedules,
    from_toml,
    load_spec,
    to_data,
    to_toml,
)
from gandem.core.specs.schedules import SCHEDULES

SPEC = load_spec("mlp-gan", small=True)
RATE = "generator.optimizer.learning_rate"


def rate_of(value):
    return change(SPEC, {RATE: value}).player("generator").optimizer.learning_rate


def values(schedule, steps, batches=1):
    return [schedule.value(step, step / batches) for step in steps]


# --- formulas -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (Cosine(from_=0.1, to=0.01, end=40), ("CosineAnnealingLR", {"T_max": 40, "eta_min": 0.01})),
        (Linear(from_=0.1, to=0.02, end=40), ("LinearLR", {"end_factor": 0.2, "total_iters": 40})),
        (Exponential(from_=0.1, to=0.1 * 0.9**40, end=40), ("ExponentialLR", {"gamma": 0.9})),
        (
            Steps(values=[0.1, 0.02, 0.004], boundaries=[7, 30]),
            ("MultiStepLR", {"milestones": [7, 30], "gamma": 0.2}),
        ),
    ],
)
def test_a_schedule_has_the_values_of_torch(schedule, theirs):
    torch = pytest.importorskip("torch")

    name, options = theirs
    options = {"start_factor": 1.0, **options} if name == "LinearLR" else options
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    expected = []
    for _ in range(40):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()

    assert values(schedule, range(40)) == pytest.approx(expected, rel=1e-12)


def test_a_ramp_keeps_its_ends_outside():
    schedule = Cosine(from_=0.3, to=0.1, start=5, end=9)

    assert values(schedule, [0, 5, 7, 9, 10**6]) == [0.3, 0.3, pytest.approx(0.2), 0.1, 0.1]


def test_epochs_count_in_part():
    schedule = Linear(from_=0, to=1, end=2, unit="epochs")

    assert values(schedule, [0, 1, 10, 20, 30], batches=10) == [0, 0.05, 0.5, 1, 1]


def test_a_warmup_reaches_the_schedule_that_follows():
    decay = Cosine(from_=2e-4, to=0, start=500, end=9000)
    schedule = Warmup(then=decay, end=500)

    assert values(schedule, [0, 250, 500]) == [0, 1e-4, 2e-4]
    assert values(schedule, [600, 5000]) == values(decay, [600, 5000])


def test_steps_put_schedules_in_a_row():
    schedule = Steps(values=[0.5, Linear(from_=1, to=0, start=10, end=20)], boundaries=[10])

    assert values(schedule, [9, 10, 15, 20]) == [0.5, 1, 0.5, 0]


def test_piecewise_joins_points_with_lines():
    schedule = Piecewise(values=[1, 3, 2], times=[10, 20, 40])

    assert values(schedule, [0, 10, 15, 20, 30, 40, 50]) == [1, 1, 2, 3, 2.5, 2, 2]


@pytest.mark.parametrize("kind", SCHEDULES)
def test_values_stay_within_the_limits(kind):
    schedule = rate_of(EXAMPLES[kind])
    low, high = schedule.limits()
    steps, epochs = schedule.horizon()

    seen = values(schedule, range(int(steps) + 60), batches=7)

    assert low <= min(seen) <= max(seen) <= high
    last = schedule.value(int(steps) + 1, epochs + 1)
    assert schedule.value(10**9, 1e9) == last


# --- spelling -------------------------------------------------------------------------------------

EXAMPLES = {
    "linear": "linear(0.1, 0, 30)",
    "cosine": "cosine(2e-4, 1e-5, 4 epochs, start=1)",
    "exponential": "exponential(0.1, 0.3333333333333333, 50)",
    "warmup": "warmup(cosine(2e-4, 0, 90, start=20), 20 steps)",
    "steps": "steps([0.1, linear(0.2, 0.1, 9)], [5], unit='epochs')",
    "piecewise": "piecewise([0.1, 0.4], [5, 9])",
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_text_table_and_file_give_one_schedule(kind):
    schedule = rate_of(EXAMPLES[kind])
    spec = change(SPEC, {RATE: EXAMPLES[kind]})
    table = to_data(spec)["players"][0]["optimizer"]["learning_rate"]

    assert table["schedule"] == schedule.kind == kind
    assert rate_of(table) == rate_of(str(schedule)) == rate_of(schedule) == schedule
    assert from_toml(to_toml(spec)) == spec
    assert digest(spec) != digest(SPEC)


def test_a_constant_schedule_is_a_constant():
    rate = SPEC.player("generator").optimizer.learning_rate

    assert digest(change(SPEC, {RATE: f"linear({rate}, {rate}, 9)"})) == digest(SPEC)
    assert rate_of("steps([1e-3, 1e-3], [5])") == 1e-3
    assert Adam(learning_rate=Cosine(from_=1, to=1, end=2)).learning_rate == 1


def test_a_schedule_can_become_a_constant_and_change_in_part():
    spec = change(SPEC, {"learning_rate": "cosine(2e-4, 0, 20 epochs)"})

    assert change(spec, {"learning_rate": 1e-3}).player("discriminator").optimizer == Adam(
        learning_rate=1e-3, beta1=0.5
    )
    changed = change(spec, {f"{RATE}.to": 1e-5})
    assert changed.player("generator").optimizer.learning_rate.to == 1e-5


def test_a_model_takes_a_schedule_as_its_parameter():
    spec = load_spec("wgan-gp", {"gradient_penalty": "linear(0, 10, 50)", "learning_rate": 1e-4})

    assert spec.loss.gradient_penalty == Linear(from_=0, to=10, end=50)


def test_schedules_are_found_by_their_paths_and_replaced_by_values():
    changes = {
        RATE: "cosine(2e-4, 0, 9)",
        "loss.r1": "linear(1, 2, 9)",
        "training.ema_decay": "linear(0, 0.9, 9)",
    }
    spec = change(SPEC, changes)
    paths = dict(find_schedules(spec))

    assert list(paths) == ["loss.r1", "training.ema_decay", RATE]
    optimizer = spec.player("generator").optimizer
    now = at_step(optimizer, "generator.optimizer", {f"schedule/{RATE}": 0.5})
    assert (now.learning_rate, now.beta1, type(now)) == (0.5, optimizer.beta1, Adam)
    assert optimizer.learning_rate == paths[RATE]
    assert at_step(SPEC.loss, "loss", {}) is SPEC.loss
    assert at_start(spec.loss).r1 == 1


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cosine(2e-4, 0, 5, start=9)", "starts at 9 and ends at 5 steps; set end above start"),
        ("linear(1, 0, 0)", "end: expected 0 < a number, received 0.0"),
        ("linear(1, -1, 5)", "expected 0 ≤ a number, received -1.0"),
        ("exponential(1, 0, 5)", "to: expected 0 < a number, received 0.0"),
        ("cosin(1, 2, 3)", "no schedule is of kind 'cosin'. Did you mean 'cosine'?"),
        ("cosine(1)", "the fields 'to', 'end' are missing"),
        ("cosine(1, 2, 3, stop=4)", "unknown field 'stop'"),
        ("cosine(1, 2, 3 days)", "expected a number or a schedule, like cosine("),
        ("cosine(1, 2, 3", "expected a number or a schedule, like cosine("),
        ("cosine(1, 2, __import__('os'))", "received"),
        ("(" * 900, "expected a number or a schedule"),
        ("fast", "expected a number or a schedule"),
        ("steps([1], [2])", "1 values and 1 boundaries; expected one value more"),
        ("steps([1, 2, 3], [5, 4])", "boundaries: 4 follows 5; expected ascending numbers"),
        ("piecewise([1], [2])", "1 values and 1 times; expected as many values as times"),
        ("piecewise([1, 2], [3, 3])", "times: 3 follows 3; expected ascending numbers"),
        ({"schedule": "linear"}, "'from', 'to', 'end' are missing"),
        ({"kind": "linear"}, "'schedule' is missing"),
        ({"schedule": 3}, "no schedule is of kind 3"),
    ],
)
def test_an_invalid_schedule_is_refused_with_its_field(text, words):
    with pytest.raises(SpecError) as error:
        rate_of(text)

    assert str(error.value).startswith("players[generator].optimizer.learning_rate")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"training.ema_decay": "linear(0, 1, 5)"},
        {"loss.label_smoothing": "steps([0, 1], [5])"},
        {"generator.optimizer.beta2": "warmup(2, 5)"},
    ],
)
def test_a_schedule_must_stay_in_the_range_of_its_field(changes):
    with pytest.raises(SpecError, match="expected 0 ≤ a number < 1, received"):
        change(SPEC, changes)


def test_decay_and_half_life_exclude_each_other():
    with pytest.raises(SpecError, match="ema_half_life: it stands for"):
        change(SPEC, {"training.ema_decay": 0.9, "training.ema_half_life": 100})


def test_a_half_life_is_a_decay():
    training = change(SPEC, {"training.ema_half_life": 32.0}).training

    assert training.average_decay() == 0.5 ** (training.batch_size / 32)
    assert training.averages
    assert math.isclose(training.average_decay() ** (32 / training.batch_size), 0.5, rel_tol=1e-12)


def test_every_number_of_training_may_be_a_schedule():
    numbers = [
        *(f"loss.{n}" for n in ("label_smoothing", "gradient_penalty", "r1", "class_weight")),
        *(f"training.{n}" for n in ("ema_decay", "ema_half_life", "discriminator_skip_below")),
        *(f"training.{n}" for n in ("weight_clip", "instance_noise")),
    ]
    kinds = {
        "adam": ("learning_rate", "beta1", "beta2", "weight_decay"),
        "rmsprop": ("learning_rate", "decay", "weight_decay"),
        "sgd": ("learning_rate", "momentum", "weight_decay"),
    }
    for path in numbers:
        if path not in ("loss.class_weight", "training.ema_half_life"):
            assert dict(find_schedules(change(SPEC, {path: "linear(0, 0.5, 9)"}))).keys() == {path}
    for (kind, fields), player in itertools.product(kinds.items(), ("generator", "discriminator")):
        changes = {f"{player}.optimizer": {"kind": kind, "learning_rate": 1e-3}}
        changes |= {f"{player}.optimizer.{name}": "linear(0, 0.5, 9)" for name in fields}
        paths = dict(find_schedules(change(SPEC, changes)))
        assert paths.keys() == {f"{player}.optimizer.{name}" for name in fields}
