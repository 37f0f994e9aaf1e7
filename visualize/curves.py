"""Curves: losses, accuracies and health of runs over their steps, with samples along the bottom.

Drawn with matplotlib's own objects: no window, no state that others share, and the same bytes for
the same runs.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import read_picture, resized
from gandem.core.errors import RunError
from gandem.core.files import write_file
from gandem.core.runs.run import Run, open_run
from gandem.core.training import metric_names
from gandem.metrics.evaluation import MEASURES
from gandem.visualize.plot import COLORS, STYLE, THUMBNAILS, draw, printable

__all__ = ["FORMS", "MOST_RUNS", "check_drawing", "draw_curves"]

FORMS = (".png", ".svg")
MOST_RUNS = 8
"""As many as there are colors that color-blind people tell apart."""
ASIDE = ("step", "epoch", "seconds", "steps_per_second")
"""What a row of the log holds beside losses and accuracies."""
ERRORS = tuple(measure.error for measure in MEASURES.values() if measure.error)
MOST_CURVES = 12
THUMBNAIL_ROWS, THUMBNAIL_SIZE = 4, 240
LARGEST = 1e30


@dataclass(frozen=True, slots=True)
class Span:
    """Steps during which something was wrong."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Samples (H, W, 3) and the step they were made after."""

    step: int
    words: str
    picture: np.ndarray


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of a run: for each quantity its steps and values, what was wrong, and samples.

    ``losses`` names the quantities that are losses.
    """

    name: str
    color: str
    series: dict[str, tuple[np.ndarray, np.ndarray]]
    losses: tuple[str, ...]
    spans: list[Span]
    pictures: list[Thumbnail]
    last: float


def draw_curves(runs: Sequence[Run | Path | str], path: Path | str, *more: Path | str) -> None:
    """Draw the losses of all players, the discriminator's accuracies, what was wrong with the
    training, and some samples, of one run or several, and write it to files.

    A row of the log without losses is passed over, and so is what is no number; a run without
    samples has none.  The same runs give the same bytes.

    Args:
        runs: runs, or their folders.
        path: a ``.png`` or an ``.svg``; and more.

    Raises:
        RunError: a run has nothing to draw yet, there are none or too many, the name ends
            otherwise, or the place cannot be written.
    """
    places = [Path(place) for place in (path, *more)]
    check_drawing(places, len(runs))
    curves = _read([run if isinstance(run, Run) else open_run(run) for run in runs])
    with _quiet():
        for place in places:
            figure = draw(curves)  # anew: saving arranges it, and once more a little otherwise
            form = place.suffix.lower()[1:]
            buffer = io.BytesIO()
            metadata = {"Software": None} if form == "png" else {"Date": None}
            figure.savefig(buffer, format=form, dpi=130, metadata=metadata)
            write_file(place, buffer.getvalue())


def check_drawing(places: Sequence[Path], count: int) -> None:
    """Raise a :class:`RunError` unless so many runs can be drawn into files by those names."""
    for path in places:
        if path.suffix.lower() not in FORMS:
            raise RunError(f"{path}: expected a name that ends in .png or .svg.")
        if not path.parent.is_dir():
            raise RunError(f"{path}: there is no folder {path.parent}.")
    if not 1 <= count <= MOST_RUNS:
        raise RunError(f"Curves are drawn of 1 to {MOST_RUNS} runs, received {count}.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Draw in gandem's style whatever the user's settings are, without words of matplotlib's."""
    log = logging.getLogger("matplotlib")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # letters that its font lacks
            import matplotlib.style

            with matplotlib.style.context(["default", STYLE]):
                yield
    finally:
        log.setLevel(before)


# --- what there is to draw -----------------------------------------------------------------------


def _read(runs: Sequence[Run]) -> list[Curves]:
    names = _names(runs)
    found: list[Curves] = []
    for run, name, color in zip(runs, names, COLORS, strict=False):
        rows = [row for row in run.rows() if 0 <= row["step"] < 1e15]
        series = _series(rows)
        if not series:
            raise RunError(f"{run.path}: there is nothing in its log to draw yet.")
        last = max(float(steps[-1]) for steps, _ in series.values())
        losses = metric_names(run.spec)
        pictures = _pictures(run, last) if len(found) < THUMBNAIL_ROWS else []
        spans = _spans(rows, last)
        found.append(Curves(name, color, series, losses, spans, pictures, last))
    return found


def _names(runs: Sequence[Run]) -> list[str]:
    """Return a name for each run: that of its folder, or the path where two have the same."""
    short = [run.path.resolve().name for run in runs]
    names = [
        str(run.path) if short.count(name) > 1 else name
        for run, name in zip(runs, short, strict=True)
    ]
    return [printable(name) for name in names]


def _series(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return steps and values of what the rows tell: losses of the players first, accuracies last.

    A loss that is no finite number is a gap.
    """
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        if "health" in row or "judged" in row:
            continue
        scores = row.get("scores")
        for name, value in (scores if isinstance(scores, dict) else row).items():
            if name in ASIDE or name in ERRORS or not _is_number(value):
                continue
            if name in found or len(found) < MOST_CURVES:
                known = value is not None and -LARGEST < value < LARGEST
                found.setdefault(name, {})[row["step"]] = float(value) if known else math.nan
    first = ("discriminator", "generator")
    order = sorted(found, key=lambda n: (n.endswith("_accuracy"), n not in first))
    series = {}
    for name in order:
        steps = sorted(found[name])
        series[name] = np.array(steps, float), np.array([found[name][step] for step in steps])
    return {n: pair for n, pair in series.items() if np.isfinite(pair[1]).any()}


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _spans(rows: Sequence[Mapping[str, Any]], last: float) -> list[Span]:
    """Return when something was wrong; what has not ended lasts to the end."""
    going: dict[str, float] = {}
    spans = []
    for row in rows:
        name, since = row.get("health"), row.get("since_step", row["step"])
        if not isinstance(name, str) or type(since) is not int or not 0 <= since < 1e15:
            continue
        name = printable(name)
        begun = going.setdefault(name, float(since))
        if row.get("state") == "ends":
            spans.append(Span(name, begun, float(row["step"])))
            del going[name]
    spans += [Span(name, begun, max(begun, last)) for name, begun in going.items()]
    return spans


def _pictures(run: Run, last: float) -> list[Thumbnail]:
    """Return a few of a run's samples, evenly spread."""
    paths = [path for path in run.samples() if 0 <= run.sampled_at(path) <= last]
    wanted = np.linspace(0, len(paths) - 1, min(THUMBNAILS, len(paths))).round().astype(int)
    found = []
    for place in dict.fromkeys(wanted.tolist()):
        path = paths[place]
        with contextlib.suppress(RunError):  # a stranger's, or damaged: drawn without
            picture = read_picture(path)
            small = max(picture.shape) > THUMBNAIL_SIZE
            picture = resized(picture[None], THUMBNAIL_SIZE)[0] if small else picture
            kind, _, number = path.stem.partition("-")
            words = f"{printable(kind)} {printable(number).lstrip('0') or 0}"
            found.append(Thumbnail(run.sampled_at(path), words, picture))
    return found
