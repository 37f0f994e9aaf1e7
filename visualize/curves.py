"""Curves: losses, accuracies, scores and warnings of runs over their steps, with samples below.

They are drawn with matplotlib's object interface: no window, no global state, and equal bytes for
equal runs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.documents import is_number
from gandem.core.errors import RunError
from gandem.core.files import check_file, write_file
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import find_schedules
from gandem.core.training import metric_names
from gandem.core.training.stages.timeline import list_sizes, place_stages
from gandem.metrics.evaluation import MEASURES
from gandem.visualize.images import read_image, scale_images
from gandem.visualize.plot import COLORS, STYLE, THUMBNAILS, draw, printable
from gandem.visualize.series import Curves, Span, Thumbnail

SUFFIXES = {".png": "", ".svg": ""}
MAX_RUNS = 8
"""The number of colors that color-blind readers can distinguish."""
OTHER_COLUMNS = ("step", "epoch", "stage", "seconds", "steps_per_second")
"""Values of a row of the log that are not drawn."""
ERRORS = tuple(measure.error for measure in MEASURES.values() if measure.error)
MAX_CURVES = 12
THUMBNAIL_ROWS, THUMBNAIL_SIZE = 4, 240
MAX_VALUE = 1e30


def draw_curves(
    runs: Run | Path | str | Sequence[Run | Path | str], path: Path | str, *more: Path | str
) -> None:
    """Draw losses, accuracies, scores, warnings and samples of runs, and write them to files.

    Args:
        runs: runs, or their folders; or one of them.
        path: a ``.png`` or an ``.svg``.
        more: further paths.

    Raises:
        RunError: a run has nothing to draw yet, there are no runs or too many, a path has another
            suffix or cannot be written.
    """
    paths = [Path(each) for each in (path, *more)]
    runs = [runs] if isinstance(runs, Run | Path | str) else runs
    check_drawing(paths, len(runs))
    write_curves(_read([open_run(run) for run in runs]), paths)


def write_curves(curves: list[Curves], paths: Sequence[Path]) -> None:
    """Draw curves, and write them to ``.png`` or ``.svg`` files.

    Raises:
        RunError: a path cannot be written.
    """
    with use_style():
        for path in paths:
            figure = draw(curves)  # a figure changes a little each time it is saved
            form = path.suffix.lower()[1:]
            buffer = io.BytesIO()
            metadata = {"Software": None} if form == "png" else {"Date": None}
            figure.savefig(buffer, format=form, dpi=130, metadata=metadata)
            write_file(path, buffer.getvalue())


def check_drawing(paths: Sequence[Path], count: int) -> None:
    """Check that a number of runs can be drawn to paths.

    Raises:
        RunError: otherwise.
    """
    for path in paths:
        check_file(path, SUFFIXES)
    if not 1 <= count <= MAX_RUNS:
        raise RunError(f"Curves show 1 to {MAX_RUNS} runs, received {count}.")


def _import_matplotlib() -> Any:
    """Import matplotlib, also if MPLBACKEND names a backend that is not installed here.

    A notebook sets it for its child processes too. Figures are drawn without a backend.
    """
    backend = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib.style
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


@contextlib.contextmanager
def use_style() -> Iterator[None]:
    """Draw in gandem's style, whatever the user's settings, without warnings of matplotlib."""
    log = logging.getLogger("matplotlib")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # characters missing in the font
            with _import_matplotlib().style.context(["default", STYLE]):
                yield
    finally:
        log.setLevel(before)


# --- reading runs --------------------------------------------------------------------------------


def _read(runs: Sequence[Run]) -> list[Curves]:
    names = _names(runs)
    curves: list[Curves] = []
    for run, name, color in zip(runs, names, COLORS, strict=False):
        rows = [row for row in run.rows() if 0 <= row["step"] < 1e15]
        series = _series(rows)
        if not series:
            raise RunError(f"{run.path}: there is nothing in its log to draw yet.")
        last = max(float(steps[-1]) for steps, _ in series.values())
        losses = metric_names(run.spec)
        pictures = _pictures(run, last) if len(curves) < THUMBNAIL_ROWS else []
        spans = _spans(rows, last)
        schedules = tuple(path for path, _ in find_schedules(run.spec))
        curves.append(
            Curves(name, color, series, losses, schedules, spans, pictures, last, _stages(run))
        )
    return curves


def _stages(run: Run) -> tuple[tuple[int, str], ...]:
    """Return the first step of each stage, and its resolution."""
    timeline = place_stages(run.spec, run.record.data.count)
    if timeline is None:
        return ()
    starts = [place.span.first_step for place in timeline.places]
    return tuple(zip(starts, list_sizes(run.spec), strict=True))


def _names(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run: its folder's, or the path if two folders have equal names."""
    short = [run.path.resolve().name for run in runs]
    names = [
        str(run.path) if short.count(name) > 1 else name
        for run, name in zip(runs, short, strict=True)
    ]
    return [printable(name) for name in names]


def _series(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return steps and values of each quantity, losses first and accuracies last.

    A loss that is not finite is a gap.
    """
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        if "health" in row or "accuracy" in row:
            continue
        scores = row.get("scores")
        for name, value in (scores if isinstance(scores, dict) else row).items():
            if name in OTHER_COLUMNS or name in ERRORS or not (value is None or is_number(value)):
                continue
            if name in values or len(values) < MAX_CURVES:
                known = value is not None and -MAX_VALUE < value < MAX_VALUE
                values.setdefault(name, {})[row["step"]] = float(value) if known else math.nan
    first = ("discriminator", "generator")
    order = sorted(values, key=lambda n: (n.endswith("_accuracy"), n not in first))
    series = {}
    for name in order:
        steps = sorted(values[name])
        series[name] = (
            np.array(steps, float),
            np.array([values[name][step] for step in steps]),
        )
    return {n: pair for n, pair in series.items() if np.isfinite(pair[1]).any()}


def _spans(rows: Sequence[Mapping[str, Any]], last: float) -> list[Span]:
    """Return when warnings were active; one that has not ended lasts to the end."""
    going: dict[str, float] = {}
    spans = []
    for row in rows:
        name, since = row.get("health"), row.get("since_step", row["step"])
        if not isinstance(name, str) or type(since) is not int or not 0 <= since < 1e15:
            continue
        name = printable(name)
        start = going.setdefault(name, float(since))
        if row.get("state") == "ends":
            spans.append(Span(name, start, float(row["step"])))
            del going[name]
    spans += [Span(name, start, max(start, last)) for name, start in going.items()]
    return spans


def _pictures(run: Run, last: float) -> list[Thumbnail]:
    """Return a few of a run's samples, evenly spaced."""
    paths = [path for path in run.samples() if 0 <= run.sampled_at(path) <= last]
    chosen = np.linspace(0, len(paths) - 1, min(THUMBNAILS, len(paths))).round().astype(int)
    thumbnails = []
    for index in dict.fromkeys(chosen.tolist()):
        path = paths[index]
        with contextlib.suppress(RunError):  # a damaged picture is left out
            picture = read_image(path)
            small = max(picture.shape) > THUMBNAIL_SIZE
            picture = scale_images(picture[None], THUMBNAIL_SIZE)[0] if small else picture
            kind, _, number = path.stem.partition("-")
            title = f"{printable(kind)} {printable(number).lstrip('0') or 0}"
            thumbnails.append(Thumbnail(run.sampled_at(path), title, picture))
    return thumbnails
