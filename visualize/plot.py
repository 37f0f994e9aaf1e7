"""The matplotlib figure of the curves that :mod:`gandem.visualize.curves` reads."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from gandem.metrics.evaluation import MEASURES
from gandem.visualize.series import Curves

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito 2008, "Color universal design"."""
WARNING_COLORS = {
    "discriminator-dominates": "#0072B2",
    "generator-collapsed": "#D55E00",
    "oscillation": "#CC79A7",
    "no-progress": "#999999",
    "diverged": "#000000",
}
WIDTH = 9.0
"""Inches."""
THUMBNAILS = 5
"""Number of samples in a row."""
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
    """Return a figure with a panel for each quantity, and samples below.

    All losses of a single run share a panel. The steps of the samples are marked in the panels.
    """
    from matplotlib.figure import Figure

    panels = _panels(curves)
    rows = [run for run in curves if run.pictures]
    heights = [_height(panel[0], curves) for panel in panels]
    below = sum(_row_height(run) for run in rows)
    figure = Figure(figsize=(WIDTH, sum(heights) + below + 1.0), layout="constrained")
    upper: Any = figure
    lower: Any = None
    if rows:
        ratios = [sum(heights) + 1.0, below]
        upper, lower = figure.subfigures(2, 1, height_ratios=ratios).ravel()  # type: ignore[union-attr]
    grid = upper.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes = grid[:, 0]
    width = max(_draw_panel(at, names, curves) for at, names in zip(axes, panels, strict=True))
    note = f"  (bold: mean of {width} rows of the log)" if width > 1 else ""
    _mark_stages(axes, curves)
    axes[-1].set_xlabel(f"step{note}")
    axes[-1].set_xlim(0, max(*(run.last for run in curves), 1) * 1.01)
    _draw_legends(upper, axes, curves)
    if lower is not None:
        _draw_thumbnails(lower, rows, framed=len(curves) > 1)
    return figure


def printable(name: str) -> str:
    """Return a name without control characters, of at most 40 characters."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 40 else f"…{clean[-39:]}"


def _panels(curves: list[Curves]) -> list[list[str]]:
    """Return the quantities of each panel; those of several runs have one each."""
    names = list(dict.fromkeys(itertools.chain(*(run.series for run in curves))))
    kinds: dict[str, list[str]]
    kinds = {"score": [], "loss": [], "share": [], "other": [], "schedule": []}
    for name in names:
        kinds[_kind(name, curves)].append(name)
    if len(curves) > 1:
        return [[name] for panel in kinds.values() for name in panel]
    scores = [[name] for name in kinds.pop("score")]  # their scales differ
    schedules: dict[str, list[str]] = {}  # both players' learning rates share a panel
    for name in kinds.pop("schedule"):
        schedules.setdefault(name.rpartition(".")[2], []).append(name)
    return [*scores, *(panel for panel in kinds.values() if panel), *schedules.values()]


def _kind(name: str, curves: list[Curves]) -> str:
    """Return the kind of a quantity: score, share, loss, schedule or other."""
    if name in MEASURES:
        return "score"
    if name.endswith("_accuracy"):
        return "share"
    if any(name in run.schedules for run in curves):
        return "schedule"
    is_loss = any(name in run.losses for run in curves) and not name.endswith("_probability")
    return "loss" if is_loss else "other"


def _height(name: str, curves: list[Curves]) -> float:
    return 2.6 if _kind(name, curves) == "loss" else 1.6


def _row_height(run: Curves) -> float:
    """Return the height of a row of samples with titles, in inches."""
    shapes = [thumbnail.picture.shape for thumbnail in run.pictures]
    tallest: float = max(height / width for height, width, _ in shapes)
    return min(0.3 + WIDTH / THUMBNAILS * tallest, 2.1)


def _draw_panel(at: Any, names: list[str], curves: list[Curves]) -> int:
    """Draw quantities of all runs; return the largest width of a moving average, in rows."""
    max_width, shown = 1, []
    for run in curves:
        for index, name in enumerate(names):
            if name not in run.series:
                continue
            steps, values = run.series[name]
            color = run.color if len(curves) > 1 else COLORS[index % len(COLORS)]
            smooth, width = _smooth(values)
            max_width = max(max_width, width)
            if width > 1:
                at.plot(steps, values, color=color, linewidth=0.7, alpha=0.35)
            dots = {"marker": "o", "markersize": 3} if np.isfinite(values).sum() < 4 else {}
            label = printable(_label(name, curves))
            at.plot(steps, smooth, color=color, linewidth=1.6, label=label, **dots)
            shown.append(values[np.isfinite(values)])
        _mark(at, run, several=len(curves) > 1)
    kind = _kind(names[0], curves)
    if kind == "share":
        at.set_ylim(-0.03, 1.03)
        at.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    elif kind != "schedule":
        _scale(at, np.concatenate(shown))
    at.set_title(_title(names, kind))
    return max_width


def _label(name: str, curves: list[Curves]) -> str:
    """Return the name of a quantity in a legend; a schedule of a player has the player's."""
    is_schedule = _kind(name, curves) == "schedule"
    return name.partition(".")[0] if is_schedule else name.removesuffix("_accuracy")


def _title(names: list[str], kind: str) -> str:
    """Return the title of a panel."""
    single = printable(names[0].removesuffix("_accuracy")) if len(names) == 1 else ""
    if kind == "score":
        return MEASURES[names[0]].title
    if kind == "share":
        return (
            f"discriminator's accuracy on {single} images" if single else "discriminator's accuracy"
        )
    if kind == "schedule":
        owner = f" of {single.partition('.')[0]}" if ".optimizer." in single else ""
        return names[0].rpartition(".")[2].replace("_", " ") + owner
    if kind == "loss":
        return f"{single} loss" if single else "losses"
    return " and ".join(map(printable, names[:3]))


def _mark(at: Any, run: Curves, *, several: bool) -> None:
    """Shade the steps of warnings, and mark the steps of the samples."""
    for span in run.spans:
        color = run.color if several else WARNING_COLORS.get(span.name, "#999999")
        at.axvspan(span.start, span.end, color=color, alpha=0.12, linewidth=0)
    for thumbnail in run.pictures:
        color = run.color if several else "#666666"
        at.axvline(thumbnail.step, color=color, linewidth=0.8, linestyle=":", zorder=0.5)


def _mark_stages(axes: Any, curves: list[Curves]) -> None:
    """Mark the first step of each stage, with its resolution in the first panel."""
    for run in curves:
        color = run.color if len(curves) > 1 else "#444444"
        for step, resolution in run.stages:
            if step > run.last:  # it has not begun
                break
            for at in axes:
                at.axvline(step, color=color, linewidth=1.0, zorder=0.6)
            place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes[0].annotate(resolution, (step, 1), (3, -9), fontsize=8, color=color, **place)


def _smooth(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a moving average and its width in rows; width 1 leaves the values unchanged."""
    width = len(values) // 40
    if width < 2:
        return values, 1
    width += 1 - width % 2  # odd, so that it is centered
    known = np.isfinite(values)
    kernel = np.ones(width)
    total = np.convolve(np.where(known, values, 0.0), kernel, "same")
    count = np.convolve(known.astype(float), kernel, "same")
    return np.where(known, total / np.maximum(count, 1), np.nan), width


def _scale(at: Any, values: np.ndarray) -> None:
    """Choose a logarithmic scale if some values are much larger than most."""
    high, middle = np.abs(values).max(), max(np.median(np.abs(values)), 1e-3)
    if high > 50 * middle and values.min() > 0:
        at.set_yscale("log")
    elif high > 50 * middle:
        at.set_yscale("symlog", linthresh=middle)
    if at.get_yscale() != "linear":  # its own labels are formulas, which the style shows as text
        at.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _draw_legends(figure: Any, axes: Any, curves: list[Curves]) -> None:
    """Draw the legends of the panels, and one of runs and warnings at the top."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if len(curves) > 1:
        handles += [Line2D([], [], color=run.color, linewidth=2) for run in curves]
        labels = [run.name for run in curves]
        if any(run.spans for run in curves):
            handles.append(Patch(color="#999999", alpha=0.25))
            labels.append("warning, in the run's color")
    else:
        where = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98), "borderaxespad": 0.2}
        for at in axes:
            if len(at.get_legend_handles_labels()[0]) > 1:
                at.legend(**where, frameon=False, ncols=6)
        labels = list(dict.fromkeys(span.name for span in curves[0].spans))
        handles += [Patch(color=WARNING_COLORS.get(name, "#999999"), alpha=0.25) for name in labels]
    if handles:
        # matplotlib leaves out labels that start with an underscore
        labels = [f"./{label}" if label.startswith("_") else label for label in labels]
        more = {"title": curves[0].name, "title_fontsize": 11} if len(curves) == 1 else {}
        position = "outside upper center"
        figure.legend(handles, labels, loc=position, ncols=3, frameon=False, **more)
    else:
        figure.suptitle(curves[0].name, fontsize=11)


def _draw_thumbnails(figure: Any, rows: list[Curves], *, framed: bool) -> None:
    """Draw a row of samples for each run, framed in its color if there are several runs."""
    columns = max(3, *(len(run.pictures) for run in rows))
    heights = [_row_height(run) for run in rows]
    cells = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for at in cells.flat:
        at.set_axis_off()
    for run, row in zip(rows, cells, strict=True):
        for thumbnail, at in zip(run.pictures, row, strict=False):
            at.imshow(thumbnail.picture, interpolation="antialiased")
            title, step = thumbnail.title, f"step {thumbnail.step}"
            at.set_title(
                title if title == step else f"{title}, {step}",
                fontsize=8,
                loc="center",
                fontweight="normal",
                pad=3,
            )
            if framed:
                at.set_axis_on()
                at.set(xticks=[], yticks=[])
                for spine in at.spines.values():
                    spine.set(visible=True, color=run.color, linewidth=2)
