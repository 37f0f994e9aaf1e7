"""The speed benchmark: its ratios, its table, and the protocol of its processes."""

import ast
import itertools
import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from support.commands import THERE

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


def loaded(name):
    """Return a module of the benchmark, which is a program and no package."""
    result = spec_from_file_location(f"speed_{name}", SPEED / f"{name}.py")
    module = sys.modules[result.name] = module_from_spec(result)
    result.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def speed():
    return loaded("__main__")


@pytest.fixture
def row(speed):
    steps = {"notebook": [0.3, 0.3, 0.6], "expert": [0.1, 0.1, 0.1], "gandem": [0.1, 0.1, 0.2]}
    figures = {
        kind: speed.Figures(first=1.5, steps=taken, peak_memory=3 << 20)
        for kind, taken in steps.items()
    }
    return speed.Row("dcgan", "torch", 2, figures)


def test_a_ratio_is_taken_round_by_round_and_above_1_where_gandem_is_faster(row):
    assert row.ratio("notebook").median == pytest.approx(3)
    assert row.ratio("expert").median == pytest.approx(1)
    assert row.ratio("expert").low < 1


def test_a_single_round_has_a_ratio_too(speed):
    ratio = speed.Ratio.of(speed.Figures(steps=[2.0]), speed.Figures(steps=[1.0]))

    assert (ratio.low, ratio.median, ratio.high) == (2, 2, 2)


def test_the_table_says_what_was_measured_and_on_what(row, tmp_path):
    page = loaded("page")
    path = tmp_path / "speed.md"
    begin, end = (mark.format("narrow") for mark in (page.BEGIN, page.END))
    path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    fields = {"machine": "a box", "versions": "torch 9", "data": "digits", "rounds": 3}

    page.write(path, fields | {"seconds": 1.5, "rows": [row.as_json()]}, "narrow")

    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    cells = "`dcgan` | torch | 2 | 3.33 | 10 | 10 | 3.00 (3.00-3.00) | 1.00 (0.50-1.00) |"
    assert cells in text
    assert "1.5 / 1.5 / 1.5 | 3 / 3 / 3" in text
    assert "a box; torch 9; digits; median of 3 rounds of 1.5 s" in text


def test_a_page_without_marks_is_left_alone(tmp_path):
    path = tmp_path / "speed.md"
    path.write_text("nothing")

    with pytest.raises(SystemExit, match="expected the lines <!-- measured"):
        loaded("page").write(path, {"rows": []})

    assert path.read_text() == "nothing"


def test_a_model_without_a_notebook_has_a_dash_there(speed, row):
    del row.figures["notebook"]

    line = loaded("page").line(row.as_json())

    assert line.startswith("| `dcgan` | torch | 2 | — | 10 | 10 | — | 1.00 (0.50-1.00) | 1.5 / 1.5")


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        *itertools.product(["notebooks", "experts"], ["torch", "keras"]),
        ("experts_residual", "torch"),
        ("experts_multiscale", "torch"),
    ],
)
def test_loops_written_by_hand_import_nothing_of_gandem(name, backend):
    tree = ast.parse((SPEED / f"{name}_{backend}.py").read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imports for alias in node.names}
    modules |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}

    assert modules
    assert not {module for module in modules if module.partition(".")[0] == "gandem"}


@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        ("expert", "torch"),
        ("gandem", "torch"),
        pytest.param("notebook", "torch", marks=pytest.mark.slow),
        pytest.param("gandem", "keras", marks=pytest.mark.slow),
    ],
)
def test_a_contender_answers_each_number_of_steps_and_ends_at_0(kind, backend, tmp_path):
    if backend not in THERE:
        pytest.skip(f"{backend} is not installed")
    data = tmp_path / "images.npz"
    np.savez(data, images=np.zeros((128, 28, 28, 1), np.uint8), labels=np.arange(128) % 10)

    done = subprocess.run(
        [sys.executable, SPEED / "contender.py", kind, "mlp-gan", backend, data],
        input="1\n3\n0\n",
        capture_output=True,
        text=True,
        check=True,
    )

    first, block, end = map(json.loads, done.stdout.splitlines())
    assert min(first["seconds"], block["seconds"]) > 0
    assert block.get("steps", 0) == 0  # no more than it was told
    assert end["peak_memory"] > 50 << 20
