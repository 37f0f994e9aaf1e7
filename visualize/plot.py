"""The figure of curves, of what :mod:`gandem.visualize.curves` has read."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gandem.visualize.curves import Curves
from gandem.metrics.evaluation import MEASURES

__all__ = ["COLORS", "STYLE", "THUMBNAILS", "draw", "printable"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito 2008, "Color universal design"."""
SICK = {
    "discriminator-dominates": "#0072B2",
    "generator-collapsed": "#D55E00",
    "oscillation": "#CC79A7",
    "no-progress": "#999999",
    "diverged": "#000000",
}
WIDTH = 9.0
"""Inches."""
THUMBNAILS = 5
"""Samples in a row."""
STYLE = {
    "svg.hashsalt": "gandem",
    "svg.fonttype": "path",
    "text.parse_math": False,  # a run may have a dollar in its name
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E5E5E5",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
}


def draw(curves: list[Curves]) -> Any:
    """Return a matplotlib figure: over the same steps a panel for each quantity, or for all losses
    of a single run; below them samples, whose steps are marked in the panels.
    """
    from matplotlib.figure import Figure

    panels = _panels(curves)
    rows = [one for one in curves if one.pictures]
    heights = [_height(panel[0], curves) for panel in panels]
    below = sum(_room(one) for one in rows)
    figure = Figure(figsize=(WIDTH, sum(heights) + below + 1.0), layout="constrained")
    upper: Any = figure
    lower: Any = None
    if rows:
        ratios = [sum(heights) + 1.0, below]
        upper, lower = figure.subfigures(2, 1, height_ratios=ratios).ravel()  # type: ignore[union-attr]
    grid = upper.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes = grid[:, 0]
    most = max(_panel(at, names, curves) for at, names in zip(axes, panels, strict=True))
    note = f"  (bold: mean of {most} rows of the log)" if most > 1 else ""
    axes[-1].set_xlabel(f"step{note}")
    axes[-1].set_xlim(0, max(*(one.last for one in curves), 1) * 1.01)
    _legends(upper, axes, curves)
    if lower is not None:
        _thumbnails(lower, rows, framed=len(curves) > 1)
    return figure


def printable(name: str) -> str:
    """Return a name that every font and file can show, not too long."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 40 else f"…{clean[-39:]}"


def _panels(curves: list[Curves]) -> list[list[str]]:
    """Return which quantities stand together: of one run all losses do, of several none."""
    names = list(dict.fromkeys(itertools.chain(*(one.series for one in curves))))
    kinds: dict[str, list[str]] = {"score": [], "loss": [], "share": [], "other": []}
    for name in names:
        kinds[_kind(name, curves)].append(name)
    if len(curves) > 1:
        return [[name] for panel in kinds.values() for name in panel]
    alone = [[name] for name in kinds.pop("score")]  # no two have one scale
    return [*alone, *(panel for panel in kinds.values() if panel)]


def _kind(name: str, curves: list[Curves]) -> str:
    """Return whether a quantity is a loss, a share, a score, or else measured."""
    if name in MEASURES:
        return "score"
    if name.endswith("_accuracy"):
        return "share"
    return "loss" if any(name in one.losses for one in curves) else "other"


def _height(name: str, curves: list[Curves]) -> float:
    return 2.6 if _kind(name, curves) == "loss" else 1.6


def _room(one: Curves) -> float:
    """Return the inches that a row of samples and its titles take."""
    shapes = [thumbnail.picture.shape for thumbnail in one.pictures]
    tallest: float = max(height / width for height, width, _ in shapes)
    return min(0.3 + WIDTH / THUMBNAILS * tallest, 2.1)


def _panel(at: Any, names: list[str], curves: list[Curves]) -> int:
    """Draw quantities of all runs; return over how many rows the smoothest curve is a mean."""
    most, shown = 1, []
    for one in curves:
        for place, name in enumerate(names):
            if name not in one.series:
                continue
            steps, values = one.series[name]
            color = one.color if len(curves) > 1 else COLORS[place % len(COLORS)]
            smooth, width = _smooth(values)
            most = max(most, width)
            if width > 1:
                at.plot(steps, values, color=color, linewidth=0.7, alpha=0.35)
            dots = {"marker": "o", "markersize": 3} if np.isfinite(values).sum() < 4 else {}
            label = printable(name.removesuffix("_accuracy"))
            at.plot(steps, smooth, color=color, linewidth=1.6, label=label, **dots)
            shown.append(values[np.isfinite(values)])
        _mark(at, one, several=len(curves) > 1)
    kind = _kind(names[0], curves)
    if kind == "share":
        at.set_ylim(-0.03, 1.03)
        at.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    else:
        _scale(at, np.concatenate(shown))
    at.set_title(_title(names, kind))
    return most


def _title(names: list[str], kind: str) -> str:
    """Return what a panel shows; several quantities are told apart by its legend."""
    one = printable(names[0].removesuffix("_accuracy")) if len(names) == 1 else ""
    if kind == "score":
        return MEASURES[names[0]].title
    if kind == "share":
        return f"discriminator's accuracy on {one} images" if one else "discriminator's accuracy"
    if kind == "loss":
        return f"{one} loss" if one else "losses"
    return " and ".join(map(printable, names[:3]))


def _mark(at: Any, one: Curves, *, several: bool) -> None:
    """Shade when something was wrong, and mark the steps of the samples."""
    for span in one.spans:
        color = one.color if several else SICK.get(span.name, "#999999")
        at.axvspan(span.start, span.end, color=color, alpha=0.12, linewidth=0)
    for thumbnail in one.pictures:
        color = one.color if several else "#666666"
        at.axvline(thumbnail.step, color=color, linewidth=0.8, linestyle=":", zorder=0.5)


def _smooth(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a moving average over a share of the rows, and how many it is of; 1 leaves the values
    as they are.
    """
    width = len(values) // 40
    if width < 2:
        return values, 1
    width += 1 - width % 2  # as many before as after
    known = np.isfinite(values)
    kernel = np.ones(width)
    total = np.convolve(np.where(known, values, 0.0), kernel, "same")
    count = np.convolve(known.astype(float), kernel, "same")
    return np.where(known, total / np.maximum(count, 1), np.nan), width


def _scale(at: Any, values: np.ndarray) -> None:
    """Choose a scale on which losses can be read even where some are very large."""
    high, middle = np.abs(values).max(), max(np.median(np.abs(values)), 1e-3)
    if high > 50 * middle and values.min() > 0:
        at.set_yscale("log")
    elif high > 50 * middle:
        at.set_yscale("symlog", linthresh=middle)


def _legends(figure: Any, axes: Any, curves: list[Curves]) -> None:
    """Say what the colors mean: of each panel's curves above it, of the rest at the top."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if len(curves) > 1:
        handles += [Line2D([], [], color=one.color, linewidth=2) for one in curves]
        labels = [one.name for one in curves]
        if any(one.spans for one in curves):
            handles.append(Patch(color="#999999", alpha=0.25))
            labels.append("something was wrong, in the run's color")
    else:
        where = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98), "borderaxespad": 0.2}
        for at in axes:
            if len(at.get_legend_handles_labels()[0]) > 1:
                at.legend(**where, frameon=False, ncols=6)
        labels = list(dict.fromkeys(span.name for span in curves[0].spans))
        handles += [Patch(color=SICK.get(name, "#999999"), alpha=0.25) for name in labels]
    if handles:
        # a name with an underscore first would be left out
        labels = [f"./{label}" if label.startswith("_") else label for label in labels]
        more = {"title": curves[0].name, "title_fontsize": 11} if len(curves) == 1 else {}
        place = "outside upper center"
        figure.legend(handles, labels, loc=place, ncols=3, frameon=False, **more)
    else:
        figure.suptitle(curves[0].name, fontsize=11)


def _thumbnails(figure: Any, rows: list[Curves], *, framed: bool) -> None:
    """Draw a row of samples for each run, in frames of its color where there are several."""
    most = max(len(one.pictures) for one in rows)
    heights = [_room(one) for one in rows]
    cells = figure.subplots(len(rows), max(most, 3), squeeze=False, height_ratios=heights)
    for at in cells.flat:
        at.set_axis_off()
    for one, places in zip(rows, cells, strict=True):
        for thumbnail, at in zip(one.pictures, places, strict=False):
            at.imshow(thumbnail.picture, interpolation="antialiased")
            words, step = thumbnail.words, f"step {thumbnail.step}"
            at.set_title(
                words if words == step else f"{words}, {step}",
                fontsize=8,
                loc="center",
                fontweight="normal",
                pad=3,
            )
            if framed:
                at.set_axis_on()
                at.set(xticks=[], yticks=[])
                for spine in at.spines.values():
                    spine.set(visible=True, color=one.color, linewidth=2)
