"""The Fréchet distance of many trainings, over steps and over minutes, in one picture."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gandem.core.files import write_file
from gandem.visualize.curves import use_style
from gandem.visualize.plot import COLORS, WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":")

Series = tuple[Sequence[float], Sequence[float], Sequence[float]]
"""Steps, minutes and scores of one training."""


def draw_score_curves(
    trainings: Sequence[tuple[str, Sequence[Series]]], real_baseline: float, path: Path
) -> None:
    """Draw a line for each training, in one color for those that differ in their seed.

    Args:
        trainings: a name with the trainings of all its seeds.
        real_baseline: the score of other real images, a dotted line.

    Raises:
        RunError: the path cannot be written.
    """
    buffer = io.BytesIO()
    with use_style():
        figure = make_figure(trainings, real_baseline)
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_file(path, buffer.getvalue())


def make_figure(trainings: Sequence[tuple[str, Sequence[Series]]], real_baseline: float) -> Figure:
    """Return the figure of :func:`draw_score_curves`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 3.4 + 0.2 * len(trainings)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    styles = [(color, dash) for dash in DASHES for color in COLORS]
    for (name, seeds), style in zip(trainings, itertools.cycle(styles), strict=False):
        color, dash = style
        for number, (steps, minutes, values) in enumerate(seeds):
            for at, places in zip(axes, (steps, minutes), strict=True):
                label = None if number else name
                line = {"color": color, "linestyle": dash, "label": label}
                at.plot(places, values, linewidth=1.2, marker="o", markersize=2, **line)
    for at, title in zip(axes, ("step", "minutes of training"), strict=True):
        at.axhline(real_baseline, color="#444444", linewidth=0.8, linestyle=":")
        at.set_yscale("log")
        at.set_xlabel(title)
        at.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0].set_title("Fréchet distance")
    names, labels = axes[0].get_legend_handles_labels()
    figure.legend(names, labels, loc="outside lower center", frameon=False, fontsize=8)
    return figure
