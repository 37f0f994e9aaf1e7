"""Curves: figures of healthy runs, of failed runs and of logs with arbitrary content."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import imageio.v3 as iio
import numpy as np
import pytest
from support.commands import needs_a_backend, refused, said

import gandem
from gandem.core.errors import RunError
from gandem.visualize.curves import _read, _series, _spans, draw_curves

pytestmark = needs_a_backend

ROW = {"step": 1, "epoch": 1, "discriminator": 1.4, "generator": 0.7, "steps_per_second": 9.0}


@pytest.fixture
def logged(run, tmp_path):
    """Return a function that copies a run and gives it a log of rows, or of lines."""

    def made(*rows, name="copy"):
        folder = tmp_path / name
        shutil.copytree(run, folder)
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return folder

    return made


# --- what is read --------------------------------------------------------------------------------


def test_losses_come_first_accuracies_last_and_what_is_no_number_is_a_gap():
    rows = [
        {"step": 1, "real_accuracy": 1.0, "recognizer": 3.0, "generator": 1.0, "discriminator": 2},
        {"step": 3, "generator": None, "discriminator": float("nan"), "moved": {"generator": 1}},
        {"step": 2, "generator": 4.0, "discriminator": 1e300, "note": "x", "seconds": 1.0},
    ]

    series = _series(rows)

    assert list(series) == ["generator", "discriminator", "recognizer", "real_accuracy"]
    assert series["generator"][0].tolist() == [1, 2, 3]
    assert np.array_equal(series["generator"][1], [1, 4, np.nan], equal_nan=True)
    assert np.array_equal(series["discriminator"][1], [2, np.nan, np.nan], equal_nan=True)


def test_a_warning_spans_from_its_first_step_to_its_end_or_the_last_step():
    rows = [
        {"step": 60, "health": "oscillation", "state": "begins", "since_step": 20},
        {"step": 70, "health": "no-progress", "state": "begins", "since_step": 50},
        {"step": 90, "health": "oscillation", "state": "ends", "since_step": 20},
        {"step": 95, "health": ["x"]},
        {"step": 96, "health": "x", "since_step": "y"},
    ]

    spans = _spans(rows, 120.0)

    assert [(s.name, s.start, s.end) for s in spans] == [
        ("oscillation", 20, 90),
        ("no-progress", 50, 120),
    ]


def test_samples_are_drawn_at_their_steps(run):
    opened = gandem.open_run(run)

    (curves,) = _read([opened])

    assert [(at.title, at.step) for at in curves.pictures] == [
        (path.stem.replace("epoch-000", "epoch "), opened.sampled_at(path))
        for path in opened.samples()
    ]


def test_runs_of_one_name_are_told_apart_by_their_paths(run, tmp_path):
    for place in ("a/run", "b/run"):
        shutil.copytree(run, tmp_path / place)

    curves = _read([gandem.open_run(tmp_path / place) for place in ("a/run", "b/run")])

    assert curves[0].name.endswith("a/run")
    assert curves[1].name.endswith("b/run")
    assert curves[0].color != curves[1].color


# --- what is drawn -------------------------------------------------------------------------------


def test_plot_draws_a_png_and_an_svg(run, conditional, tmp_path):
    png, svg = tmp_path / "curves.png", tmp_path / "curves.svg"

    words = said("plot", run, "-o", png)
    data = json.loads(said("plot", run, conditional, "-o", svg, "--json"))

    assert words == f"curves of 1 run in {png}\n"
    assert iio.imread(png).shape[1] == 1170
    assert data == {"out": str(svg), "runs": [str(run), str(conditional)]}
    assert ET.parse(svg).getroot().tag.endswith("svg")


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_run_gives_the_same_bytes(run, tmp_path, form):
    draw_curves([run], tmp_path / f"a.{form}", tmp_path / f"b.{form}")
    draw_curves([gandem.open_run(run)], tmp_path / f"c.{form}")

    assert len({(tmp_path / f"{name}.{form}").read_bytes() for name in "abc"}) == 1


def test_drawing_changes_no_state_of_matplotlib_and_opens_no_window(run, tmp_path):
    code = (
        "import sys, matplotlib; matplotlib.rcParams['font.size'] = 5\n"
        "from gandem.visualize.curves import draw_curves\n"
        "draw_curves(sys.argv[1:2], sys.argv[2])\n"
        "print('matplotlib.pyplot' in sys.modules, matplotlib.rcParams['font.size'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run), str(tmp_path / "x.png")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    assert done.stdout.split() == ["False", "5.0"]
    draw_curves([run], tmp_path / "y.png")
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes()


@pytest.mark.parametrize("backend", ["module://nowhere.backend_inline"])
def test_backend_that_a_notebook_has_set_is_of_no_matter(run, tmp_path, backend):
    code = (
        "import os, sys; from gandem.visualize.curves import draw_curves\n"
        "draw_curves(sys.argv[1:2], sys.argv[2])\n"
        "print(os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run), str(tmp_path / "x.png")],
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{backend}\n"
    assert (tmp_path / "x.png").stat().st_size > 1000


WARNING = {
    **{"step": 60, "health": "oscillation", "state": "begins", "since_step": 10},
    **{"because": "the loss jumps", "remedy": "take smaller steps", "options": []},
}
LOGS = {
    "one row": [ROW],
    "null losses": [ROW, ROW | {"step": 9, "generator": None, "discriminator": None}],
    "diverged": [ROW, '{"step": 5, "generator": NaN, "discriminator": Infinity}'],
    "huge": [ROW, ROW | {"step": 10**14, "generator": 1e29}],
    "below zero": [ROW, ROW | {"step": 2, "discriminator": -900.0}],
    "unknown rows": [ROW, {"step": 1, "accuracy": {"real": 1}}, {"step": 2, "odd": [1]}],
    "a warning": [ROW, WARNING | {"step": 3, "since_step": 2}],
    "an odd warning": [
        ROW,
        WARNING | {"step": 1, "health": "$x^{_\x00\x1b" * 99, "since_step": 10**9},
    ],
    "odd names": [
        ROW,
        ROW | {"_x": 1.0, "$\\frac{": 2.0, "漢": 4.0, "<&>": 5},
        ROW | {"\ud800": 3},
    ],
    "odd steps": [ROW, ROW | {"step": 10**300}, ROW | {"step": -5}],
    "many names": [ROW | {f"loss {n}": 1.0 for n in range(5000)}],
    "steps that go back": [ROW | {"step": step} for step in (9, 3, 9, 1)],
    "odd numbers": [ROW, ROW | {"generator": 10**400, "discriminator": True}],
}


@pytest.mark.parametrize("case", LOGS)
def test_any_log_can_be_drawn_as_svg(logged, tmp_path, case):
    draw_curves([logged(*LOGS[case])], tmp_path / "x.svg")

    assert ET.parse(tmp_path / "x.svg").getroot().tag.endswith("svg")


PNG = ["huge", "odd names", "an odd warning"]
"""Logs whose numbers and letters are the hardest to draw; the figure is that of the SVG."""


@pytest.mark.parametrize(
    "case",
    [case if case in PNG else pytest.param(case, marks=pytest.mark.slow) for case in LOGS],
)
def test_any_log_can_be_drawn_as_png(logged, tmp_path, case):
    draw_curves([logged(*LOGS[case])], tmp_path / "x.png")

    assert iio.imread(tmp_path / "x.png").shape[1] == 1170


def test_a_warning_shades_its_steps(logged, tmp_path):
    rows = [ROW | {"step": step} for step in (1, 50, 100)]
    draw_curves([logged(*rows, name="without")], tmp_path / "without.svg")
    draw_curves([logged(*rows, WARNING, name="with")], tmp_path / "with.svg")

    assert "#cc79a7" not in (tmp_path / "without.svg").read_text()
    assert "#cc79a7" in (tmp_path / "with.svg").read_text()


@pytest.mark.parametrize("spoilt", ["none", "damaged", "a pipe"])
def test_a_run_with_missing_or_damaged_samples_is_drawn(logged, tmp_path, spoilt):
    folder = logged(ROW)
    for path in (folder / "samples").iterdir():
        path.unlink()
    if spoilt == "damaged":
        (folder / "samples" / "epoch-0001.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    if spoilt == "a pipe":
        import os

        os.mkfifo(folder / "samples" / "step-000001.png")

    draw_curves([folder], tmp_path / "x.png")

    assert iio.imread(tmp_path / "x.png").shape[1] == 1170


def test_a_folder_may_have_any_name(run, tmp_path):
    names = ["_run", "$a_{", "ü 漢", "x" * 200]
    for name in names:
        shutil.copytree(run, tmp_path / name)

    draw_curves([tmp_path / name for name in names], tmp_path / "x.svg")

    assert ET.parse(tmp_path / "x.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("rows", [[], [{"step": 1, "accuracy": {}}], ["no json"]])
def test_a_run_with_nothing_to_draw_is_refused(logged, tmp_path, rows):
    words = refused("plot", logged(*rows), "-o", tmp_path / "x.png")

    assert words.endswith("there is nothing in its log to draw yet.")
    assert not (tmp_path / "x.png").exists()


def test_places_and_runs_that_cannot_be_are_refused(run, tmp_path):
    assert "ends in .png or .svg." in refused("plot", run, "-o", tmp_path / "x.pdf")
    assert "there is no folder" in refused("plot", run, "-o", tmp_path / "no" / "x.png")
    assert "not a run" in refused("plot", run, tmp_path, "-o", tmp_path / "x.png")
    assert "1 to 8 runs, received 9." in refused("plot", *[run] * 9, "-o", tmp_path / "x.png")
    assert "See 'gandem plot --help'." in refused("plot", "-o", tmp_path / "x.png", code=2)
    with pytest.raises(RunError, match="received 0"):
        draw_curves([], tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
