"""The verdict on a training uses all measurements, and suggestions fit the size of a fault."""

import pytest

from gandem.callbacks.diagnostics.monitor import CONDITIONS, Monitor
from gandem.callbacks.diagnostics.suggestions import Finding, suggest_remedy
from gandem.core.specs import load_spec
from gandem.core.training import resolve_loss

STEPS = 400


def read(*more, model="mlp-gan"):
    """Return the report on a log without a fault, but for some more rows."""
    spec = load_spec(model)
    monitor = Monitor(spec, resolve_loss(spec))
    for step in range(20, STEPS + 20, 20):
        row = {"step": step, "discriminator": 0.6, "generator": 0.8}
        row |= {"real_accuracy": 0.7, "fake_accuracy": 0.7}
        monitor.read(row | ({"variety": 0.7, "nearest": 0.7} if step % 100 == 0 else {}))
    for row in more:
        assert monitor.read({"step": STEPS, "epoch": 1, **row}) == []
    return monitor.report()


def accuracy(real, fake):
    return {"accuracy": {"real": real, "fake": fake, "count": 100}}


def scores(step=STEPS, average=1000.0, **values):
    return {"step": step, "scores": values, "frechet_of_average": average}


def test_training_without_doubts_has_no_sign_of_trouble():
    report = read(accuracy(0.97, 0.04), accuracy(0.7, 0.6), scores(frechet=9.0, coverage=0.9))

    assert report["now"] == ["well"]
    assert report["verdict"] == (
        "no sign of trouble in 400 steps; the images vary 0.70 times as much as real ones"
    )


@pytest.mark.parametrize(
    ("rows", "doubt"),
    [
        ([accuracy(1.0, 1.0)], "the discriminator classifies all images correctly"),
        ([accuracy(0.9, 0.0)] * 3, "the discriminator classifies no fake image correctly"),
        ([accuracy(0.0, 0.9)] * 3, "the discriminator classifies no real image correctly"),
        ([scores(coverage=0.02)], "coverage is 0.02"),
        ([scores(precision=0.0, recall=0.05)], "precision is 0; recall is 0.05"),
        (
            [scores(100, frechet=10.0), scores(frechet=30.0)],
            "the Fréchet distance rose from 10 at step 100 to 30",
        ),
        (
            [scores(frechet=30.0, average=20.0)],
            "a Fréchet distance of 30 is no better than that of one average image (20)",
        ),
        (
            [{"variety": 0.08, "nearest": 0.5, "discriminator": 0.6}],
            "the images vary only 0.08 times as much as real ones",
        ),
    ],
)
def test_a_measurement_against_a_training_is_in_its_verdict(rows, doubt):
    report = read(*rows)

    assert report["now"] == ["doubtful"]
    assert report["verdict"] == f"no warning in 400 steps, but {doubt}"


@pytest.mark.parametrize(
    "rows",
    [
        [accuracy(1.0, 1.0), accuracy(0.8, 0.9)],
        [accuracy(0.9, 0.0), accuracy(0.9, 0.0)],
        [scores(100, frechet=30.0), scores(frechet=10.0)],
        [scores(frechet=None, coverage=None)],
    ],
)
def test_measurement_that_is_over_or_missing_raises_no_doubt(rows):
    assert read(*rows)["now"] == ["well"]


def test_one_measurement_in_which_all_is_right_is_named_and_no_doubt():
    report = read(accuracy(0.9, 0.8), accuracy(1.0, 1.0))

    assert report["now"] == ["well"]
    assert report["verdict"] == (
        "no sign of trouble in 400 steps; the discriminator classified all images correctly at "
        "the last measurement"
    )


def test_critic_that_is_always_right_raises_no_doubt():
    assert read(accuracy(1.0, 1.0), model="wgan")["now"] == ["well"]


@pytest.mark.parametrize("state", CONDITIONS)
def test_learning_rate_a_hundred_times_too_high_gets_the_usual_one(state):
    spec = load_spec("mlp-gan", {"learning_rate": 0.02})

    words, options = suggest_remedy(state, spec, 0.693, True, Finding(1, "", "generator"))

    assert words == "the learning rate is far above the usual ones: take smaller steps"
    assert options[0] == (
        "--set generator.optimizer.learning_rate=0.0002 "
        "--set discriminator.optimizer.learning_rate=0.0002"
    )
    assert not any("learning_rate" in option for option in options[1:])


def test_usual_learning_rate_is_lowered_by_a_factor():
    spec = load_spec("mlp-gan", {"learning_rate": 4e-4})

    _, options = suggest_remedy("oscillation", spec, 0.693, True, Finding(1, ""))

    assert options[0].split()[1] == "generator.optimizer.learning_rate=4e-05"
