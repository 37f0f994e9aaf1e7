"""Measuring parity: its figures, its verdicts, and what it says of a backend with a fault."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from gandem.core.errors import BackendError, SpecError
from gandem.core.parity import measure
from gandem.core.parity.measure import Mark, _judge, _marks

BOTH = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "tensorflow", "keras")),
    reason="needs both frameworks; one is not installed",
)


def mark(**fields):
    base = dict(
        step=1, weights_max=1e-15, weights_median=1e-18, loss_max=0.0, twin_max=1e-15,
        twin_median=1e-18, within=1.0, floor=1e-16, saturated=False,
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
    assert _marks(200) == (1, 2, 5, 10, 20, 50, 100, 200)
    assert _marks(7) == (1, 2, 5, 7)
    assert _marks(1) == (1,)


@pytest.mark.parametrize(
    ("tier", "precision", "marks", "holds"),
    [
        ("trajectory", "float64", [mark(), mark(weights_max=9e-13)], True),
        ("trajectory", "float64", [mark(), mark(weights_max=2e-12)], False),
        ("step", "float64", [mark(weights_max=2e-12)], False),
        ("step", "float32", [mark(weights_max=1.9e-4, within=0.9995)], True),
        ("step", "float32", [mark(weights_max=1.9e-4, within=0.998)], False),
        ("step", "float32", [mark(weights_max=3e-4)], False),
        ("twin", "float64", [mark(weights_max=9e-15)], True),
        ("twin", "float64", [mark(weights_max=2e-14)], False),
        ("twin", "float64", [mark(weights_median=1e-14)], False),
        ("twin", "float64", [mark(weights_max=1.0, saturated=True)], True),
        ("twin", "float64", [mark(weights_max=np.nan)], False),
        ("trajectory", "float64", [mark(weights_max=np.nan)], False),
    ],
)
def test_a_verdict_follows_its_gate(tier, precision, marks, holds):
    assert _judge(marks, tier, precision, 1e-12)[0] is holds


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": "huge"}, "expected 'small' or 'full'"),
        ({"tier": "best"}, "expected one of"),
        ({"steps": 0}, "at least 1"),
        ({"backends": ["torch"]}, "needs two backends"),
        ({"precision": "float16"}, "expected 'float32' or 'float64'"),
    ],
)
def test_a_measurement_that_makes_no_sense_is_refused(arguments, words):
    with pytest.raises((SpecError, BackendError), match=words):
        measure("mlp-gan", **arguments)


@BOTH
@pytest.mark.parametrize(
    ("options", "tier"),
    [
        ((), "trajectory"),
        (("--precision", "float32"), "step"),
        (("--tier", "step"), "step"),
        (("--size", "full", "--set", "hidden=[16,32]", "--set", "judging=[16]"), "twin"),
    ],
)
def test_the_command_prints_what_machines_read(options, tier):
    done = run("parity", "mlp-gan", "--steps", "5", "--json", *options)

    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert found["holds"] is True
    assert (found["model"], found["tier"], found["backends"]) == (
        "mlp-gan",
        tier,
        ["torch", "keras"],
    )
    assert [m["step"] for m in found["marks"]] == [1, 2, 5]
    keys = {"step", "weights_max", "weights_median", "loss_max", "twin_max", "twin_median"}
    assert all(keys <= set(m) for m in found["marks"])
    assert all(m["twin_max"] > 0 for m in found["marks"])


@BOTH
@pytest.mark.parametrize("model", ["mlp-gan", "dcgan", "cgan"])
def test_every_model_holds_at_its_small_size(model):
    report = measure(model, steps=20)

    assert report.holds
    assert max(m.weights_max for m in report.marks) < 1e-13


@pytest.fixture
def faulty(tmp_path):
    """A plugin with a backend that is PyTorch but for one fault: another epsilon in Adam."""
    (tmp_path / "faulty.py").write_text(
        textwrap.dedent(
            """
            import gandem

            @gandem.hookimpl
            def gandem_backends():
                return [gandem.Row(id="test/faulty", target="faulty:load", requires=("torch",))]

            def load():
                from dataclasses import replace
                from gandem.core.registry import load_backend
                right = load_backend("torch")

                class Faulty:
                    def __getattr__(self, name):
                        return getattr(right, name)

                    def engine(self, spec, arrays, **how):
                        players = tuple(
                            replace(p, optimiser=replace(p.optimiser, epsilon=3e-8))
                            for p in spec.players
                        )
                        return right.engine(replace(spec, players=players), arrays, **how)

                return Faulty()
            """
        )
    )
    info = tmp_path / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gandem]\nfaulty = faulty\n")
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.parametrize("tier", ["trajectory", "twin", "step"])
def test_a_backend_with_a_wrong_epsilon_does_not_hold(faulty, tier):
    options = ("--backends", "torch,faulty", "--tier", tier, "--steps", "3", "--json")

    done = run("parity", "mlp-gan", *options, **faulty)

    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["backends"] == ["torch", "test/faulty"]
    assert found["holds"] is False


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_a_backend_is_as_far_from_itself_as_nothing():
    report = measure("mlp-gan", backends=["torch", "torch"], steps=3)

    assert [m.weights_max for m in report.marks] == [0.0, 0.0, 0.0]


def test_a_process_that_fails_is_one_line(faulty, tmp_path):
    (tmp_path / "faulty.py").write_text(
        (tmp_path / "faulty.py")
        .read_text()
        .replace("right = load_backend", "raise OSError('no luck')\n    right = load_backend")
    )

    done = run("parity", "mlp-gan", "--backends", "faulty,faulty", "--steps", "2", **faulty)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "Error: The test/faulty process failed: Backend 'test/faulty' is installed and cannot be "
        "imported: OSError: no luck"
    ]


@BOTH
def test_the_demo_trains_side_by_side_and_shows_the_distance(tmp_path):
    done = run(
        "demo", "mlp-gan", "--steps", "4", "--out", str(tmp_path / "out"), "--json",
        "--set", "hidden=[16,32]", "--set", "judging=[16]",
    )  # fmt: skip

    found = json.loads(done.stdout)
    assert found["backends"] == ["torch", "keras"]
    assert found["weights_max"] < 1e-13
    assert found["pixels_max"] == 0
    assert (tmp_path / "out" / "side-by-side.png").stat().st_size > 1000
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"torch", "keras", "side-by-side.png"}


@BOTH
@pytest.mark.parametrize("first", ["torch", "keras"])
def test_both_frameworks_share_a_process_in_either_order(first):
    second = "keras" if first == "torch" else "torch"
    code = """
import sys
from gandem.core.registry import load_backend, load_spec
from gandem.testing.walks import WALKS, begin, walk
ends = []
for name in sys.argv[1:]:
    engine = begin(WALKS[3], load_backend(name))
    ends.append(walk(engine, WALKS[3].feed(), 2))
assert abs(ends[0][1]["generator"] - ends[1][1]["generator"]) < 1e-14
import torch; torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, first, second], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
