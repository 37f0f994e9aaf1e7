"""Health of a training: each failure is reported in time, a healthy training gets no warning, and
measuring changes nothing.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from support.commands import HOME, TINY, gandem, needs_a_backend, said, tiny

import gandem as public
from gandem.callbacks.diagnostics.monitor import CONDITIONS, LossScale, Monitor
from gandem.callbacks.diagnostics.probe import measure_variety
from gandem.callbacks.diagnostics.suggestions import Finding, format_warning, suggest_remedy
from gandem.core.data.dataset import load_dataset
from gandem.core.plugins.registry import registry
from gandem.core.specs import Dense, Reshape, Sigmoid, change
from gandem.core.specs.loading import load_spec
from gandem.losses.hinge import Hinge
from gandem.losses.least_squares import LeastSquares
from gandem.losses.non_saturating import NonSaturating
from gandem.losses.wasserstein import Wasserstein

DOC = Path(__file__).parents[2] / "docs" / "reading-the-losses.md"
MLP = {"image": [8, 8, 1], "hidden": [16, 32], "discriminator_hidden": [64, 32], "latent": 8}
CGAN = {"image": [8, 8, 1], "generator_width": 4, "discriminator_width": 8}
TIMES = ("seconds", "steps_per_second")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """2,000 digits at 8×8."""
    dataset = load_dataset("digits")
    images = np.asarray(dataset.images)[:2000, 2:26, 2:26, 0].reshape(2000, 8, 3, 8, 3)
    path = tmp_path_factory.mktemp("pictures") / "digits8.npz"
    np.savez(path, images=images.mean((2, 4)).astype(np.uint8), labels=dataset.labels[:2000])
    return f"npz:{path}"


def trained(pictures, out, model="mlp-gan", changes=MLP, steps=200, **more):
    """Train; return the run and what was said."""
    words = []
    run = public.train(
        *(model,),
        **{"backend": HOME, "data": pictures, "steps": steps, "notice": words.append} | more,
        changes=changes,
        out=out / "run",
    )
    return run, words


@pytest.fixture
def without_curves(monkeypatch):
    """Draw no curves, which take longer than a tiny training."""
    monkeypatch.setattr("gandem.callbacks.curves.MIN_STEPS", 10**9)


@pytest.fixture(scope="module", params=[("mlp-gan", MLP), ("cgan", CGAN)], ids=["mlp-gan", "cgan"])
def healthy(request, pictures, tmp_path_factory):
    """A healthy training that is long enough for curves: the run, and what was said."""
    return trained(pictures, tmp_path_factory.mktemp("healthy"), *request.param, steps=220)


def rows(losses, *, every=20, **more):
    """Return rows of a log with the discriminator's losses, as sure of its judgment as can be."""
    right = {"real_accuracy": 1.0, "fake_accuracy": 1.0, "generator": 1.0}
    return [
        {"step": every * (i + 1), **right, "discriminator": loss, **more}
        for i, loss in enumerate(losses)
    ]


def heard(monitor, log):
    """Return the step, state and name of each event that follows from a log."""
    events = [event for row in log for event in monitor.read(row)]
    return [(event["step"], event["state"], event["health"]) for event in events]


def monitor(loss=None, model="dcgan", **changes):
    rule = loss or NonSaturating()
    return Monitor(load_spec(model, changes), rule)


# --- what losses mean ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "guessing", "least", "margin"),
    [
        (NonSaturating(), 2 * np.log(2), 0.0, False),
        (LeastSquares(), 0.5, 0.0, True),
        (Hinge(), 2.0, 0.0, True),
        (Wasserstein(), 0.0, None, False),
    ],
)
def test_the_loss_of_guessing_is_computed_from_the_loss(rule, guessing, least, margin):
    gauge = LossScale.of(load_spec("dcgan"), rule)

    assert gauge == LossScale(pytest.approx(guessing, abs=1e-5), least, margin)


def test_halves_and_smoothing_change_what_a_loss_means():
    mean = LossScale.of(load_spec("dcgan", {"loss.halves": "mean"}), NonSaturating())
    smooth = {"loss.label_smoothing": 0.1}
    smoothed = LossScale.of(load_spec("dcgan", smooth), NonSaturating())

    assert mean.guessing == pytest.approx(np.log(2), abs=1e-5)
    assert smoothed.least == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1), abs=0.01)


def test_a_third_party_loss_is_diagnosed_like_a_built_in_one():
    class Doubled(NonSaturating):
        def real(self, ops, logits, target):
            return 2 * super().real(ops, logits, target)

    gauge = LossScale.of(load_spec("dcgan"), Doubled())

    assert gauge.guessing == pytest.approx(3 * np.log(2), abs=1e-5)
    assert gauge.share({"discriminator": gauge.guessing}) == pytest.approx(1)


def test_a_penalty_does_not_count_as_loss():
    gauge = LossScale.of(load_spec("dcgan"), NonSaturating())

    assert gauge.share({"discriminator": 3.0, "penalty": 3.0}) == 0


# --- the rules -----------------------------------------------------------------------------------


def test_a_discriminator_that_wins_for_a_hundred_steps_dominates_until_it_loses_again():
    log = rows([0.7] * 3 + [0.004] * 7 + [0.5] * 5)

    assert heard(monitor(), log) == [
        (120, "begins", "discriminator-dominates"),
        (260, "ends", "discriminator-dominates"),
    ]


def test_a_discriminator_that_wins_only_at_first_is_not_reported():
    assert heard(monitor(), rows([0.005] * 4 + [0.1] * 30)) == []


def test_while_the_images_become_more_varied_nothing_dominates():
    log = rows([0.004] * 12)
    for row, value in zip(log[2::2], (0.1, 0.2, 0.4, 0.6, 0.8), strict=True):
        row |= {"variety": value, "nearest": value}

    assert heard(monitor(), log) == []


def test_a_low_loss_of_a_critic_means_nothing():
    assert heard(monitor(Wasserstein()), rows([-8.0] * 40)) == []


def test_repeated_images_are_a_collapse_even_with_several_kinds():
    log = rows([0.7] * 10, variety=0.8, nearest=0.001)

    assert heard(monitor(), log)[:1] == [(120, "begins", "generator-collapsed")]


def test_a_loss_that_jumps_up_and_down_is_an_oscillation():
    assert heard(monitor(), rows([0.1, 2.9] * 6)) == [(200, "begins", "oscillation")]
    assert heard(monitor(), rows([0.5, 0.9] * 20)) == []


def test_a_loss_that_stays_at_that_of_guessing_is_no_progress():
    loss = 2 * float(np.log(2))

    poor = {"variety": 0.2, "nearest": 0.3}

    assert heard(monitor(), rows([loss] * 12)) == [(200, "begins", "no-progress")]
    assert heard(monitor(), rows([loss] * 12, **poor)) == [(200, "begins", "no-progress")]
    assert heard(monitor(), rows([loss, loss - 0.05] * 6)) == []


def test_an_equilibrium_whose_images_vary_as_real_ones_is_no_warning():
    log = rows([2 * float(np.log(2))] * 12, variety=1.02, nearest=0.64)

    assert heard(monitor(), log) == []


SCORES = {
    "improved": ([30.0, 12.0], []),
    "good": ([12.0], []),
    "as at first": ([12.0, 12.0], []),
    "worse than one average image": ([50.0], [(200, "begins", "no-progress")]),
    "much worse": ([12.0, 30.0], [(200, "begins", "no-progress")]),
}


@pytest.mark.parametrize(("distances", "events"), SCORES.values(), ids=SCORES.keys())
def test_scores_tell_an_equilibrium_from_no_progress(distances, events):
    log = rows([2 * float(np.log(2))] * 12, variety=0.3, nearest=0.3)
    scored = [
        {"step": step, "scores": {"frechet": distance}, "frechet_of_average": 40.0}
        for step, distance in enumerate(distances, start=1)
    ]

    assert heard(monitor(), [*scored, *log]) == events


def test_a_good_score_ends_the_warning_that_there_is_no_progress():
    log = rows([2 * float(np.log(2))] * 12)
    log.append({"step": 240, "scores": {"frechet": 12.0}, "frechet_of_average": 40.0})

    assert heard(monitor(), log) == [(200, "begins", "no-progress"), (240, "ends", "no-progress")]


def test_a_discriminator_that_skips_updates_is_not_reported():
    log = rows([0.2, 0.2], moved={"generator": 0.01, "discriminator": 0.0})

    assert heard(monitor(), log) == [(40, "begins", "no-progress")]
    assert heard(monitor(**{"training.discriminator_skip_below": 0.3}), log) == []


@pytest.mark.parametrize("value", [None, "low", True, [], {}, float("nan"), 10**400, -(10**30)])
def test_the_monitor_reads_any_log(value):
    names = ("discriminator", "real_accuracy", "variety", "nearest", "moved", "accuracy", "penalty")
    for name in names:
        log = rows([0.004] * 12)
        for row in log:
            row[name] = value

        result = monitor()
        heard(result, log)

        assert isinstance(result.verdict(), str)


def test_variety_counts_only_pairs_of_one_class():
    generator = np.random.default_rng(0)
    classes = np.arange(40) % 4
    real = generator.normal(size=(40, 2, 2, 1)) + 10 * classes[:, None, None, None]
    same = np.zeros((40, 2, 2, 1)) + 10 * classes[:, None, None, None]

    assert measure_variety(same, real)["variety"] > 0.8
    assert measure_variety(same, real, classes) == {"variety": 0.0, "nearest": 0.0}
    assert measure_variety(real, real, classes) == {"variety": 1.0, "nearest": 1.0}


def test_variety_is_not_reported_if_real_images_are_equal():
    real = np.ones((5, 2, 2, 1))

    assert measure_variety(real, real) == {}
    assert measure_variety(real, real, np.arange(5)) == {}


@pytest.mark.parametrize("model", [row.id for row in registry().entries("models")])
@pytest.mark.parametrize("state", CONDITIONS)
def test_every_option_that_is_recommended_exists(state, model):
    spec = load_spec(model)

    for player in ("", "generator"):
        _, options = suggest_remedy(state, spec, 1.386, True, Finding(1, "", player))

        assert options
        for option in options:
            pairs = [part.split("=") for part in option.removeprefix("--set ").split(" --set ")]
            values = {path: _value(text) for path, text in pairs}
            assert change(spec, values) != spec


def _value(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- trainings that were made sick ---------------------------------------------------------------


@needs_a_backend
@pytest.mark.usefixtures("without_curves")
def test_a_far_too_large_learning_rate_is_reported_within_200_steps(pictures, tmp_path):
    run, words = trained(pictures, tmp_path, changes=MLP | {"learning_rate": 1.0})

    assert set(run.record.health["now"]) & set(CONDITIONS), words
    assert "learning_rate=" in " ".join(words)


@needs_a_backend
@pytest.mark.usefixtures("without_curves")
def test_weights_that_are_frozen_are_not_expected_to_move(pictures, tmp_path):
    run, _ = trained(pictures, tmp_path, steps=60, freeze=["generator"])

    (moved,) = [row["moved"] for row in run.rows() if "moved" in row]
    assert moved.keys() == {"discriminator"}


@needs_a_backend
@pytest.mark.usefixtures("without_curves")
def test_a_generator_that_is_never_updated_is_reported_within_200_steps(pictures, tmp_path):
    run, words = trained(
        pictures, tmp_path, changes=MLP | {"generator.optimizer.learning_rate": 0.0}
    )

    (started,) = [row for row in run.rows() if row.get("health") == "no-progress"]
    assert started["step"] <= 200
    assert started["because"] == "the generator's weights do not move"
    assert started["options"] == ["--set generator.optimizer.learning_rate=0.0002"]
    assert format_warning(started) in words
    assert "no-progress since step" in run.record.health["verdict"]


@needs_a_backend
@pytest.mark.usefixtures("without_curves")
def test_a_generator_that_ignores_its_noise_is_reported_within_200_steps(pictures, tmp_path):
    spec = load_spec("cgan", CGAN)
    layers = (Dense(units=32), Dense(units=64), Sigmoid(), Reshape(shape=(8, 8, 1)))
    deaf = replace(spec.player("generator"), input="label", layers=layers)
    spec = replace(spec, players=(deaf, spec.player("discriminator")))

    run, words = trained(pictures, tmp_path, model=spec, changes={})

    assert [row["nearest"] for row in run.log() if "nearest" in row] == [0.0] * 4
    assert run.record.health["now"] == ["generator-collapsed"]
    assert re.match(r"step 160: generator-collapsed since step 100: the images for diff", words[0])


@needs_a_backend
def test_a_healthy_training_has_no_warning(healthy):
    run, words = healthy

    assert words == []
    assert not [row for row in run.rows() if "health" in row]
    assert run.record.health["now"] == ["well"], run.record.health["verdict"]
    assert run.record.health["verdict"].startswith("no sign of trouble in 220 steps")


@needs_a_backend
def test_a_diverged_training_logs_a_warning_with_a_remedy(data, tmp_path):
    gandem(*tiny(learning_rate=1e30), "--data", data, "--steps", 9, "--out", tmp_path / "run")

    run = public.open_run(tmp_path / "run")
    (event,) = [row for row in run.rows() if "health" in row]
    assert (event["health"], event["state"]) == ("diverged", "begins")
    assert event["options"][0].startswith("--set generator.optimizer.learning_rate=")
    assert run.record.health["now"] == ["diverged"]


# --- it changes nothing, and goes on -------------------------------------------------------------


def timeless(run):
    return [{k: v for k, v in row.items() if k not in TIMES} for row in run.rows()]


@needs_a_backend
def test_measuring_changes_no_bit_of_a_training(pictures, tmp_path):
    plain, _ = trained(pictures, tmp_path / "a", steps=70, accuracy_every=0, log_every=1000)
    measured, _ = trained(pictures, tmp_path / "b", steps=70, accuracy_every=1, log_every=1)

    assert any("variety" in row for row in measured.log())
    assert any("accuracy" in row for row in measured.rows())
    for name, value in plain.state().items():
        assert np.array_equal(value, measured.state()[name]), name


@needs_a_backend
@pytest.mark.parametrize("stop", [63, 110])
def test_a_resumed_training_keeps_its_diagnostics(pictures, tmp_path, stop):
    sick = MLP | {"generator.optimizer.learning_rate": 0.0}
    straight, words = trained(pictures, tmp_path / "a", changes=sick, steps=140)
    first, before = trained(pictures, tmp_path / "b", changes=sick, steps=stop)
    after = []

    resumed = public.resume(first, steps=140, notice=after.append)

    assert timeless(resumed) == timeless(straight)
    assert resumed.record.health == straight.record.health
    assert before + after == words


@needs_a_backend
def test_the_accuracy_is_measured_every_few_epochs_on_the_same_images(runs, data, tmp_path):
    each = [row for row in runs().rows() if "accuracy" in row]
    second = public.train(
        "dcgan",
        **{"data": data, "epochs": 2, "seed": 3, "log_every": 2, "accuracy_every": 2},
        **{"backend": HOME, "changes": TINY["dcgan"], "out": tmp_path / "run"},
    )

    assert [(row["step"], row["epoch"]) for row in each] == [(3, 1), (6, 2)]
    for row in each:
        assert set(row["accuracy"]) == {"real", "fake", "count"}
        assert row["accuracy"]["count"] == 40, "there are no more"
        assert 0 <= row["accuracy"]["real"] <= 1
    assert [row for row in second.rows() if "accuracy" in row] == each[1:]


# --- what is said --------------------------------------------------------------------------------


@needs_a_backend
def test_a_measured_accuracy_is_printed_during_training(data, tmp_path):
    arguments = map(str, [*tiny(), "--data", data, "--epochs", 2, "--out", tmp_path / "run"])
    with patch("gandem.terminal.progress.FIRST_LINE_DELAY", 0):
        from click.testing import CliRunner

        from gandem.cli import main

        done = CliRunner().invoke(main, [*arguments], prog_name="gandem")

    lines = re.findall(
        r"^epoch (\d): the discriminator classifies \d+ % of 40 real", done.stderr, re.M
    )
    assert lines == ["1", "2"]


@needs_a_backend
def test_the_verdict_is_printed_at_the_end_and_by_show(run):
    facts = json.loads(said("show", run, "--json"))["run"]["health"]
    (row,) = json.loads(said("runs", run.parent, "--json"))["runs"]

    assert facts["verdict"] == "no sign of trouble, but too few steps to tell (6)"
    assert f"health     {facts['verdict']}\n" in said("show", run)
    assert facts["accuracy"]["step"] == 6
    assert row["health"] == "unknown"
    assert "unknown" in said("runs", run.parent)


@needs_a_backend
def test_a_training_leaves_its_curves(healthy):
    run, _ = healthy

    assert (run.path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (run.path / "curves.svg").read_text()


@needs_a_backend
def test_curves_that_cannot_be_drawn_are_a_notice(pictures, tmp_path, monkeypatch):
    def refuse(*_):
        raise ValueError("no ink")

    monkeypatch.setattr("gandem.callbacks.curves.MIN_STEPS", 5)
    monkeypatch.setattr("gandem.visualize.curves.draw_curves", refuse)

    run, words = trained(pictures, tmp_path, steps=5)

    assert run.record.state == "finished"
    assert len(words) == 1
    assert re.fullmatch(r"The curves could not be drawn: .*no ink.*", words[0])


def test_the_page_on_reading_losses_names_every_state_and_its_options():
    text = DOC.read_text("utf-8")

    for state in CONDITIONS:
        assert f"### `{state}`" in text
    for option in re.findall(r"--set ([\w.]+)=([^\s`\"]+)", text):
        assert load_spec("dcgan", {option[0]: _value(option[1])})
