"""The Markdown page of results: a table for each protocol, and the results of other authors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from gandem.compare.results.rows import Result
from gandem.compare.results.tables import read_table
from gandem.core.files import write_file
from gandem.metrics.evaluation import MEASURES

MEASURES_SHOWN = (
    *("modes", "mode_divergence", "high_quality"),
    *("frechet", "kernel", "precision", "recall", "coverage", "accuracy", "gan_train"),
    *("memorized", "nearest"),
)
PICTURES_PER_LINE = 4
PICTURES = "results"
"""The folder of pictures, beside the page."""
PUBLISHED = ("model", "data", "score", "spread", "protocol", "source")
"""The columns of the file of published results."""


def write_markdown(path: Path, rows: Sequence[Result], published: Path | None = None) -> None:
    """Write the page.

    Args:
        published: a CSV file with the results of other authors.

    Raises:
        RunError: the page cannot be written.
        DataError: the file of published results holds something else.
    """
    parts = [HEAD.strip()]
    ordered = sorted(rows, key=lambda row: (row.data, row.measured, row.model, row.steps))
    charts: set[str] = set()
    for _, group in groupby(ordered, key=lambda row: (row.data, row.measured)):
        rows_of = list(group)
        parts.append(_format_protocol(rows_of))
        chart = name_chart(rows_of[0].data, rows_of[0].data_digest)
        if chart not in charts and (path.parent / PICTURES / chart).exists():
            charts.add(chart)
            parts.append(_format_chart(rows_of[0].data, chart))
        parts += _format_pictures(rows_of, path.parent)
    if published is not None and (others := read_published(published)):
        parts.append(_format_published(others))
    write_file(path, ("\n\n".join(parts) + "\n").encode())


HEAD = """
# Results

Written by `gandem report RUN... --format md --results docs` from `results.csv`, which has more
columns. Each row is a model trained with one or several seeds: mean ± standard deviation over the
seeds. **Final** is the last checkpoint, **best** the one with the lowest Fréchet distance of 1,000
samples during training. Both are scored again, with other noise and other real images than those
that selected the best, so the best may score worse than the final. If a model averages its weights,
the averaged weights are scored. **Real** is the score of other real images, which a perfect
generator would reach. [Metrics](metrics.md) explains the columns.

Compare numbers within a table only: two tables have two protocols. *Steps* and *minutes* are the
length of one training; if it is shorter than the recipe of the model, the epochs of the recipe are
given too. Shorter trainings, and networks smaller than the default (see the options behind the
name), say little about the model at full length. An accuracy of one over the number of classes is
chance.
"""


ELSEWHERE = """
Measured with other protocols, which each row names. They cannot be compared with the tables above:
the features, the images and the selection of the runs differ.
""".strip()


def _format_protocol(rows: list[Result]) -> str:
    protocol = max((row.protocol for row in rows), key=len)  # of a row with a trained classifier
    shown = [name for name in MEASURES_SHOWN if any(_has(row, name) for row in rows)]
    finals = [f"final: {MEASURES[name].title}" for name in shown]
    head = ["model", "backend", "steps", "minutes", "seeds", *finals, "best: Fréchet distance"]
    lines = [head, ["---"] * len(head)]
    first = next((row for row in rows if row.classifier), rows[0]).figures
    real_baseline = [_number(first.get(f"real_baseline_{name}")) for name in shown]
    lines.append(["*real*", "", "", "", "", *real_baseline, ""])
    for row in rows:
        finals = [_pair(row.figures, "final", name) for name in shown]
        best = _pair(row.figures, "best", "frechet")
        recipe = f" of {row.recipe_epochs}" if row.epochs != row.recipe_epochs else ""
        steps = f"{row.steps:,} ({row.epochs:g}{recipe} epochs)"
        minutes = f"{row.seconds / row.seeds / 60:.3g}"
        seeds = f"{row.seeds} ({row.diverged} diverged)" if row.diverged else str(row.seeds)
        lines.append([row.title, row.backend, steps, minutes, seeds, *finals, best])
    notes = sorted({f"{row.date}, {row.device}, {row.precision}: {row.versions}" for row in rows})
    return "\n\n".join(
        [
            f"## {rows[0].data}",
            f"{protocol[0].upper()}{protocol[1:]}.",
            _format_table(lines),
            "  \n".join(notes),
        ]
    )


def name_chart(data: str, digest: str) -> str:
    """Return the name of the file with the curves of a data set."""
    return re.sub(r"[^\w.-]+", "-", f"curves-{data}-{digest[:8]}") + ".png"


def _format_chart(data: str, name: str) -> str:
    text = (
        "Fréchet distance of 1,000 samples during training, over steps and over minutes. The "
        "dotted line is that of 1,000 other real images, above that of the table for more images."
    )
    return f"![curves of the Fréchet distance on {data}]({PICTURES}/{name})\n\n{text}"


def _format_pictures(rows: Sequence[Result], folder: Path) -> list[str]:
    """Return a table of the samples of rows; empty if there are none."""
    shown = [row for row in rows if (folder / PICTURES / row.picture).exists()]
    if not shown:
        return []
    width = min(PICTURES_PER_LINE, len(shown))
    lines: list[list[str]] = []
    for start in range(0, len(shown), width):
        part = shown[start : start + width]
        names = [row.title for row in part]
        pictures = [f"![samples of {row.model}]({PICTURES}/{row.picture})" for row in part]
        rest = [""] * (width - len(part))
        lines += [[*names, *rest], *([["---"] * width] if not start else []), [*pictures, *rest]]
    return ["Samples of the last checkpoint, seed 0:", _format_table(lines)]


def _has(row: Result, name: str) -> bool:
    return row.figures.get(f"final_{name}_mean") is not None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _pair(figures: Mapping[str, float | None], which: str, name: str) -> str:
    mean, deviation = (figures.get(f"{which}_{name}_{what}") for what in ("mean", "sd"))
    return _number(mean) + (f" ± {deviation:.2g}" if deviation is not None else "")


def read_published(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of published results; none if there is no file.

    Raises:
        DataError: the file holds something else.
    """
    return read_table(path, PUBLISHED, dict)


def _format_published(rows: Iterable[Mapping[str, str]]) -> str:
    lines: list[Sequence[str]] = [PUBLISHED, ["---"] * len(PUBLISHED)]
    lines += [[row[name] or "" for name in PUBLISHED] for row in rows]
    return f"## Published by others\n\n{ELSEWHERE}\n\n{_format_table(lines)}"


def _format_table(lines: Iterable[Sequence[str]]) -> str:
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
