"""The Markdown page of results: a table for each protocol, and the results of other authors."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from gandem.compare.results.rows import Result
from gandem.core.errors import DataError
from gandem.core.files import write_file
from gandem.metrics.evaluation import MEASURES

MEASURES_SHOWN = (
    *("modes", "mode_divergence", "high_quality"),
    *("frechet", "kernel", "precision", "recall", "coverage", "accuracy"),
)
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
    for _, group in groupby(ordered, key=lambda row: (row.data, row.measured)):
        parts.append(_format_protocol(list(group)))
    if published is not None and (others := read_published(published)):
        parts.append(_format_published(others))
    write_file(path, ("\n\n".join(parts) + "\n").encode())


HEAD = """
# Results

Written by `gandem compare --format md` from `results.csv`, which has more columns. Each row is a
model trained with several seeds: mean ± standard deviation over the seeds. **Final** is the last
checkpoint, **best** the one with the lowest Fréchet distance of 1,000 samples during training.
Both are scored again, with other noise and other real images than those that selected the best,
so the best may score worse than the final. If a model averages its weights, the averaged weights
are scored. **Real** is the score of other real images, which a perfect generator would reach.

Compare numbers within a table only: two tables have two protocols. If the trainings are short, or
the networks smaller than the default (see the options behind the name), the ranking says nothing
about the models at full length. An accuracy of classes of one over their number is chance.
"""


ELSEWHERE = """
Measured with other protocols, which each row names. They cannot be compared with the tables above:
the features, the images and the selection of the runs differ.
""".strip()


def _format_protocol(rows: list[Result]) -> str:
    protocol = rows[0].protocol
    shown = [name for name in MEASURES_SHOWN if any(_has(row, name) for row in rows)]
    finals = [f"final: {MEASURES[name].title}" for name in shown]
    head = ["model", "backend", "steps", "seeds", *finals, "best: Fréchet distance"]
    lines = [head, ["---"] * len(head)]
    first = rows[0].figures
    real_baseline = [_number(first.get(f"real_baseline_{name}")) for name in shown]
    lines.append(["*real*", "", "", "", *real_baseline, ""])
    for row in rows:
        options = f" `{row.options}`" if row.options else ""
        finals = [_pair(row.figures, "final", name) for name in shown]
        best = _pair(row.figures, "best", "frechet")
        steps = f"{row.steps:,} ({row.epochs:g} epochs)"
        seeds = f"{row.seeds} ({row.diverged} diverged)" if row.diverged else str(row.seeds)
        lines.append([f"{row.model}{options}", row.backend, steps, seeds, *finals, best])
    notes = sorted({f"{row.date}, {row.device}, {row.precision}: {row.versions}" for row in rows})
    return "\n\n".join(
        [
            f"## {rows[0].data}",
            f"{protocol[0].upper()}{protocol[1:]}.",
            _format_table(lines),
            "  \n".join(notes),
        ]
    )


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
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            columns = tuple(table.fieldnames or ())
            rows = list(table)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None
    if columns != PUBLISHED:
        raise DataError(f"{path}: expected the columns {', '.join(PUBLISHED)}.")
    return rows


def _format_published(rows: Iterable[Mapping[str, str]]) -> str:
    lines: list[Sequence[str]] = [PUBLISHED, ["---"] * len(PUBLISHED)]
    lines += [[row[name] or "" for name in PUBLISHED] for row in rows]
    return f"## Published by others\n\n{ELSEWHERE}\n\n{_format_table(lines)}"


def _format_table(lines: Iterable[Sequence[str]]) -> str:
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
