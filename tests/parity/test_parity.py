"""Parity measurements: their figures, their verdicts, and what they find in a faulty backend."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from support.commands import HOME, needs_a_backend, refused, said
from support.commands import gandem as command
from support.in_process import in_process, measure_in_process
from support.planted_backends import EPSILON, NONE, ROUNDING, installed, plugin
from support.toy_backend import SLOW, Toy

import gandem
from gandem.commands.render_reports import format_parity
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import BackendError, SpecError
from gandem.core.plugins.registry import registry
from gandem.core.specs import load_spec, to_json
from gandem.parity import Mark, measure, processes
from gandem.parity.handover import choose_limits, list_later_marks, measure_handover
from gandem.parity.processes import Processes, Request
from gandem.parity.tolerances import choose_tolerance, list_marks

BOTH = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "tensorflow", "keras")),
    reason="needs both frameworks; one is not installed",
)
TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
MODELS = [row.id for row in registry().entries("models") if "/" not in row.id]


def mark_slow(models, slow):
    return [
        pytest.param(model, marks=pytest.mark.slow) if model in slow else model for model in models
    ]


def mark(**fields):
    base = dict(
        step=1, weights_max=1e-15, weights_median=1e-18, loss_max=0.0, baseline_max=1e-15,
        baseline_median=1e-18, within=1.0, floor=1e-16, saturated=False,
    )  # fmt: skip
    return Mark(**base | fields)


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "gandem", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_marks_are_a_ladder_that_ends_at_the_last_step():
    assert list_marks(200) == (1, 2, 5, 10, 20, 50, 100, 200)
    assert list_marks(7) == (1, 2, 5, 7)
    assert list_marks(1) == (1,)


@pytest.mark.parametrize(
    ("tier", "precision", "marks", "holds"),
    [
        ("trajectory", "float64", [mark(), mark(weights_max=9e-13)], True),
        ("trajectory", "float64", [mark(), mark(weights_max=2e-12)], False),
        ("step", "float64", [mark(weights_max=2e-12)], False),
        ("step", "float32", [mark(weights_max=1.9e-4, within=0.9995)], True),
        ("step", "float32", [mark(weights_max=1.9e-4, within=0.998)], False),
        ("step", "float32", [mark(weights_max=3e-4)], False),
        ("baseline", "float64", [mark(weights_max=9e-15)], True),
        ("baseline", "float64", [mark(weights_max=2e-14)], False),
        ("baseline", "float64", [mark(weights_median=1e-14)], False),
        ("baseline", "float64", [mark(weights_max=1.0, saturated=True)], True),
        ("baseline", "float64", [mark(weights_max=np.nan)], False),
        ("trajectory", "float64", [mark(weights_max=np.nan)], False),
    ],
)
def test_a_verdict_follows_its_gate(tier, precision, marks, holds):
    assert all(map(choose_tolerance(tier, precision, 1e-12).is_met, marks)) is holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "huge"}, "expected 'small' or 'full'"),
        ({"tier": "best"}, "expected one of"),
        ({"steps": 0}, "at least 1"),
        ({"steps": 1, "tier": "handover"}, "at least 2, one before the hand-over and one after"),
        ({"backends": ["torch"]}, "needs two backends"),
        ({"precision": "float16"}, "expected 'float32' or 'float64'"),
    ],
)
def test_a_measurement_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises((SpecError, BackendError), match=message):
        measure("mlp-gan", **arguments)


@BOTH
@pytest.mark.parametrize(
    ("options", "tier"),
    [
        ((), "trajectory"),
        (("--precision", "float32"), "step"),
        (("--tier", "step"), "step"),
        (
            ("--size", "full", "--set", "hidden=[16,32]", "--set", "discriminator_hidden=[16]"),
            "baseline",
        ),
    ],
)
def test_the_command_prints_what_machines_read(options, tier):
    with in_process():
        report = json.loads(said("parity", "mlp-gan", "--steps", "5", "--json", *options))

    assert report["holds"] is True
    assert (report["model"], report["tier"], report["backends"]) == (
        "mlp-gan",
        tier,
        ["torch", "keras"],
    )
    assert [m["step"] for m in report["marks"]] == [1, 2, 5]
    keys = {"step", "weights_max", "weights_median", "loss_max", "baseline_max", "baseline_median"}
    assert all(keys <= set(m) for m in report["marks"])
    assert all(m["baseline_max"] > 0 for m in report["marks"])
    assert all(m["loss_max"] < 1e-4 for m in report["marks"])


def test_each_walk_is_measured_in_a_process_of_its_own(tmp_path):
    steps = []

    with installed(tmp_path, "toy", one=NONE, two=ROUNDING):
        report = measure(
            "mlp-gan", backends=["one", "two"], steps=3, progress=lambda *step: steps.append(step)
        )

    assert report.holds
    assert [m.step for m in report.marks] == [1, 2, 3]
    assert all(0 < m.weights_max < 1e-13 for m in report.marks)
    walks = ("test/one reference", "test/two other", "test/one baseline")
    assert sorted(steps) == sorted((walk, step) for walk in walks for step in (1, 2, 3))


@pytest.mark.slow
@BOTH
def test_each_framework_is_measured_in_a_process_of_its_own():
    done = run("parity", "mlp-gan", "--steps", "2", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["holds"] is True
    assert [m["step"] for m in report["marks"]] == [1, 2]
    assert all(0 < m["weights_max"] < 1e-13 for m in report["marks"])
    assert all(0 < m["baseline_max"] < 1e-13 for m in report["marks"])


# --- the promise, for every model ----------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "cgan", "wgan-gp"])
def test_a_model_takes_the_same_path_on_both_backends(model):
    """The conformance suite compares 200 steps of every model on each backend with stored ones."""
    with in_process(share_engines=True):
        trajectory = measure(model, steps=20)
        single_steps = measure(model, steps=10, tier="step")

    assert trajectory.holds, format_parity(trajectory)
    assert (trajectory.tier, trajectory.precision) == ("trajectory", "float64")
    assert trajectory.backends == ("torch", "keras")
    assert [m.step for m in trajectory.marks] == [1, 2, 5, 10, 20]
    assert max(m.weights_max for m in trajectory.marks) < 1e-13
    assert single_steps.holds, format_parity(single_steps)
    assert [m.step for m in single_steps.marks] == [1, 2, 5, 10]
    # the losses of wgan-gp exceed 1,000, where 1 ulp is 2e-13
    assert all(m.loss_max < 1e-11 for m in (*trajectory.marks, *single_steps.marks))


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_within_its_gate_after_200_steps(model):
    report = measure_in_process(model)

    assert report.holds, format_parity(report)
    assert (report.steps, report.tier, report.size) == (200, "trajectory", "small")
    assert [m.step for m in report.marks] == [1, 2, 5, 10, 20, 50, 100, 200]


@pytest.mark.slow
@BOTH
def test_frozen_layers_take_the_same_path_for_200_steps():
    changes = {"generator.frozen": ["batch_norm", "dense"], "discriminator.frozen": ["conv2d"]}

    report = measure_in_process("dcgan", changes=changes)

    assert report.holds, format_parity(report)
    assert (report.steps, report.tier) == (200, "trajectory")


SINGLE_STEPS = ("dcgan", "cgan", "wgan-gp", "sngan", "infogan")
"""The conformance suite makes a step of every model in single precision."""


@BOTH
@pytest.mark.parametrize("model", mark_slow(SINGLE_STEPS, SINGLE_STEPS[1:]))
def test_a_model_makes_the_same_single_steps_in_single_precision(model):
    report = measure_in_process(model, steps=20, precision="float32", share_engines=True)

    assert report.holds, format_parity(report)
    assert report.tier == "step"
    assert [m.step for m in report.marks] == [1, 2, 5, 10, 20]


# --- what the steps see --------------------------------------------------------------------------


TWICE = f"--backends={HOME},{HOME}"


@needs_a_backend
def test_a_measurement_uses_the_chosen_classes():
    """Two classes for a model of two: a worker that took all ten would refuse."""
    two = ("--classes", "3,8", "--set", "classes=2")

    with in_process():
        report = json.loads(said("parity", "cgan", TWICE, *two, "--steps", "2", "--json"))

    assert (report["data"], report["classes"], report["data_dir"]) == ("digits", [3, 8], None)


@needs_a_backend
def test_a_relative_data_folder_is_found_by_the_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = load_dataset("digits")
    (tmp_path / "files").mkdir()
    few = {"images": digits.images[::50], "labels": digits.labels[::50]}
    np.savez(tmp_path / "files" / "few.npz", **few)
    options = ("--data", "npz:few.npz", "--data-dir", "files", "--classes", "8,3", "--json")

    with in_process():
        report = json.loads(said("parity", "mlp-gan", TWICE, "--steps", "2", *options))

    assert (report["data"], report["data_dir"]) == ("npz:few.npz", "files")
    assert report["classes"] == [8, 3]


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--data", "mnist", "--data-dir", "nowhere"], "in 'nowhere'", 1),
        (["--data", "npz:few.npz", "--data-dir", "nowhere"], "nowhere/few.npz", 1),
        (["--classes", "3,11"], "there is no class 11; its classes are 0 to 9", 1),
        (["--classes", "3,,x"], "expected classes, like 3,8", 2),
    ],
)
def test_missing_data_is_refused_before_any_process_starts(options, message, code):
    assert message in refused("parity", "mlp-gan", TWICE, *options, code=code)


@TORCH
@pytest.mark.parametrize("tier", ["trajectory", "baseline", "step"])
def test_a_backend_with_a_wrong_epsilon_does_not_hold(tmp_path, tier):
    options = ("--backends", "torch,faulty", "--tier", tier, "--steps", "3", "--json")

    with installed(tmp_path, faulty=EPSILON), in_process():
        done = command("parity", "mlp-gan", *options)

    assert done.exit_code == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["backends"] == ["torch", "test/faulty"]
    assert report["holds"] is False


@TORCH
def test_a_backend_is_at_no_distance_from_itself():
    report = measure_in_process("mlp-gan", backends=["torch", "torch"], steps=3)

    assert [m.weights_max for m in report.marks] == [0.0, 0.0, 0.0]


# --- hand-over -----------------------------------------------------------------------------------


def test_the_marks_of_a_hand_over_come_after_it():
    assert list_later_marks(200) == (101, 200)
    assert list_later_marks(50) == (26, 50)
    assert list_later_marks(12) == (7, 10, 12)
    assert list_later_marks(3) == (2, 3)
    assert list_later_marks(2) == (2,)


@pytest.mark.parametrize(
    ("precision", "size", "first", "later", "holds"),
    [
        ("float64", "small", {"weights_max": 9e-13}, {"weights_max": 9e-13}, True),
        ("float64", "small", {"weights_max": 2e-12}, {}, False),
        ("float64", "small", {}, {"weights_max": 2e-12}, False),
        ("float64", "small", {}, {"weights_max": np.nan}, False),
        ("float64", "full", {"weights_max": 9e-15}, {"weights_max": 9e-15}, True),
        ("float64", "full", {"weights_max": 2e-14}, {}, False),
        ("float64", "full", {}, {"weights_max": 2e-14}, False),
        ("float64", "full", {}, {"weights_median": 1e-14}, False),
        ("float64", "full", {}, {"weights_max": 1.0, "saturated": True}, True),
        ("float64", "full", {"weights_max": 2e-12, "baseline_max": 1e-11}, {}, False),
        ("float32", "small", {"weights_max": 1.9e-4, "within": 0.9995}, {}, True),
        ("float32", "small", {"weights_max": 1.9e-4, "within": 0.998}, {}, False),
        ("float32", "small", {"weights_max": 3e-4, "baseline_max": 1.0}, {}, False),
        ("float32", "small", {}, {"weights_max": 9e-4, "within": 0.5}, True),
        ("float32", "small", {}, {"weights_max": 1.1e-3}, False),
        ("float32", "small", {}, {"weights_max": 9e-3, "baseline_max": 1e-3}, True),
        ("float32", "full", {}, {"weights_max": 2e-2, "baseline_max": 1e-3}, False),
    ],
)
def test_a_hand_over_has_limits(precision, size, first, later, holds):
    marks = (mark(step=6, **first), mark(step=10, **later))

    assert (choose_limits(precision, size, 1e-12, at=5).find_fault(marks) is None) is holds


MOMENT = "optimizer/generator/dense/kernel/first_moment"
MEAN = "generator/batch_norm/mean"


@pytest.fixture
def hand(tmp_path):
    """Return a function that hands over between toys "a", which is right, and "b"."""

    def handed(**fault):
        toys = {"a": Toy(), "b": Toy(**{"rounds": 1e-17} | fault)}
        template = Request(
            spec=to_json(load_spec("mlp-gan", small=True)), data="digits", seed=0,
            precision="float64", device="cpu", marks=list_later_marks(12),
        )  # fmt: skip
        limits = choose_limits("float64", "small", 1e-12, at=6)
        with in_process(load=toys.get):
            return measure_handover(
                Processes(template=template, folder=tmp_path), ("a", "b"), limits
            )

    return handed


DIRECTIONS = ["a → b", "b → a", "a → a", "b → b"]


def faults(handover):
    return {f"{d.source} → {d.target}": d.fault for d in handover.directions if d.fault}


def test_backends_that_differ_by_rounding_alone_hand_over(hand):
    handover, marks = hand()

    assert faults(handover) == {}
    assert handover.at == 6
    assert [f"{d.source} → {d.target}" for d in handover.directions] == DIRECTIONS
    assert [d.load_exact for d in handover.directions] == [True] * 4
    assert [d.load_max for d in handover.directions] == [0.0] * 4
    assert [d.identical for d in handover.directions] == [None, None, True, True]
    assert [m.step for m in marks] == [7, 10, 12]
    across = [d.weights_max for d in handover.directions[:2]]
    assert max(m.weights_max for m in marks) == max(across) > 0
    assert max(m.loss_max for m in marks) == max(d.loss_max for d in handover.directions[:2]) > 0


@pytest.mark.parametrize("forgotten", [MOMENT, MEAN, "discriminator/dense/bias"])
def test_an_array_that_is_not_taken_over_is_named(hand, forgotten):
    handover, _ = hand(forgets=forgotten)

    fault = f"the load is not bit-exact: {forgotten}"
    assert faults(handover) == {"a → b": fault, "b → b": fault}
    assert [d.load_exact for d in handover.directions] == [False, True, True, False]
    assert handover.directions[0].load_max > 0


def test_a_backend_that_keeps_something_to_itself_does_not_resume(hand):
    handover, _ = hand(ages=1e-16)

    ((direction, fault),) = faults(handover).items()
    assert direction == "b → b"
    assert fault.startswith(
        "not bit-identical to the uninterrupted trajectory: generator/dense/kernel and "
    )
    assert handover.directions[3].identical is False
    assert handover.directions[3].load_exact


def test_losses_that_are_not_those_of_the_uninterrupted_trajectory_are_noticed(hand):
    handover, _ = hand(tires=1e-16)

    assert faults(handover) == {
        "b → b": "not bit-identical to the uninterrupted trajectory: the losses of step 7"
    }


def test_a_backend_that_returns_a_wrong_state_does_not_resume(hand):
    handover, _ = hand(hides=MOMENT)

    assert set(faults(handover)) == {"a → b", "b → a", "b → b"}
    assert faults(handover)["a → b"] == f"the load is not bit-exact: {MOMENT}"
    assert faults(handover)["b → b"].startswith(
        "not bit-identical to the uninterrupted trajectory: generator/"
    )


def test_backends_that_drift_apart_do_not_hand_over(hand):
    handover, marks = hand(drifts=1e-11)

    assert set(faults(handover)) == {"a → b", "b → a"}
    assert all(
        fault.endswith("from the uninterrupted trajectory after step 7")
        for fault in faults(handover).values()
    )
    assert all(m.weights_max > 1e-12 for m in marks)
    assert [d.identical for d in handover.directions] == [None, None, True, True]


STATES = ("hinge-gan", "ttur-cifar")
"""Models whose states have vectors of spectral norm, running statistics and averaged weights."""


@BOTH
@pytest.mark.parametrize("model", mark_slow(MODELS, {*MODELS} - {*STATES}))
def test_every_model_is_handed_over_at_its_small_size(model):
    """Models of which only the slow tier hands over share the engine of each backend."""
    seen = set()

    with in_process(share_engines=model not in STATES):
        report = gandem.parity(
            model, tier="handover", steps=12, progress=lambda who, step: seen.add((who, step))
        )

    data = json.loads(json.dumps(report.to_data()))
    assert data["holds"], format_parity(report)
    assert [m["step"] for m in data["marks"]] == [7, 10, 12]
    assert max(m["weights_max"] for m in data["marks"]) < 1e-13
    assert data["handover"]["at"] == 6
    directions = data["handover"]["directions"]
    assert [(direction["from"], direction["to"]) for direction in directions] == [
        ("torch", "keras"), ("keras", "torch"), ("torch", "torch"), ("keras", "keras"),
    ]  # fmt: skip
    for direction in directions:
        assert (direction["load_exact"], direction["load_max"], direction["fault"]) == (
            True,
            0.0,
            None,
        )
        own = direction["from"] == direction["to"]
        assert direction.get("identical") is (True if own else None)
        assert not own or direction["weights_max"] == direction["loss_max"] == 0.0
    first_steps = {who: min(step for name, step in seen if name == who) for who, _ in seen}
    assert first_steps == {
        "torch reference": 1, "keras other": 1, "torch baseline": 1,
        "keras from reference": 7, "torch from other": 7,
        "torch reference resumed": 7, "keras other resumed": 7,
    }  # fmt: skip


FORGETS = """
forgotten = initial_state(spec, 0, options["precision"])[{name!r}]
state = {{**state, {name!r}: forgotten}}
"""


@TORCH
def test_backends_that_forget_are_caught_and_named(tmp_path):
    options = ("--backends", "slots,statistics", "--tier", "handover", "--steps", "4")
    forgetful = {"slots": FORGETS.format(name=MOMENT), "statistics": FORGETS.format(name=MEAN)}

    with installed(tmp_path, **forgetful), in_process():
        done = command("parity", "mlp-gan", *options)

    assert (done.exit_code, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[-5].startswith("DOES NOT HOLD: loads bit-exact; ")
    assert lines[-4:] == [
        f"  test/slots → test/statistics: the load is not bit-exact: {MEAN}",
        f"  test/statistics → test/slots: the load is not bit-exact: {MOMENT}",
        f"  test/slots → test/slots: the load is not bit-exact: {MOMENT}",
        f"  test/statistics → test/statistics: the load is not bit-exact: {MEAN}",
    ]


# --- errors, and training side by side -----------------------------------------------------------


def test_the_error_of_a_killed_process_says_so(tmp_path):
    fault = "print('loading', file=sys.stderr)\nos.kill(os.getpid(), 9)\n"
    killed = plugin(tmp_path, "toy", faulty=fault)

    done = run("parity", "mlp-gan", "--backends", "faulty,faulty", "--steps", "2", **killed)

    assert done.returncode == 1
    assert done.stderr == (
        "Error: The test/faulty process failed: killed by SIGKILL, often because memory ran out\n"
    )


def test_a_process_that_fails_ends_the_others(tmp_path, monkeypatch):
    (tmp_path / "slow").touch()
    monkeypatch.setenv(SLOW, str(tmp_path / "slow"))
    monkeypatch.setattr(processes, "count_cpus", lambda: 3)
    last = {}

    with (
        installed(tmp_path, "toy", one=NONE, broken="raise RuntimeError('no luck')"),
        pytest.raises(BackendError, match="The test/broken process failed: RuntimeError: no luck"),
    ):
        measure("mlp-gan", backends=["one", "broken"], steps=500, progress=last.__setitem__)

    assert all(step < 500 for step in last.values())


def test_a_process_that_fails_is_one_line(tmp_path):
    faulty = plugin(tmp_path, "toy", faulty=NONE)
    code = (tmp_path / "toys.py").read_text()
    broken = code.replace("right = Toy()", "raise OSError('no luck')")
    (tmp_path / "toys.py").write_text(broken)

    done = run("parity", "mlp-gan", "--backends", "faulty,faulty", "--steps", "2", **faulty)

    assert broken != code
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "Error: The test/faulty process failed: Backend 'test/faulty' is installed but cannot be "
        "imported: OSError: no luck"
    ]


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("first", ["torch", "keras"])
def test_both_frameworks_share_a_process_in_either_order(first):
    second = "keras" if first == "torch" else "torch"
    code = """
import sys
from gandem.core.specs import load_spec
from gandem.core.training import load_backend
from gandem.testing.trajectories import find_trajectory, run_steps, start_engine
case, ends = find_trajectory("fresh noise"), []
for name in sys.argv[1:]:
    engine = start_engine(case, load_backend(name))
    ends.append(run_steps(engine, case.feed(), 2))
assert abs(ends[0][1]["generator"] - ends[1][1]["generator"]) < 1e-14
import torch; torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
"""
    # where a test has imported JAX, it has chosen the log level of TensorFlow for all children
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", code, first, second]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)

    assert (done.returncode, done.stderr) == (0, "")
