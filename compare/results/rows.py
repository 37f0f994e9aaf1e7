"""Rows of results, in a CSV file that a spreadsheet reads too."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gandem.core.errors import DataError
from gandem.core.files import write_file

__all__ = ["FIGURES", "Result", "in_words", "merge", "read_results", "spread", "write_results"]

FIGURES = ("frechet", "kernel", "precision", "recall", "density", "coverage", "entropy", "accuracy")
"""Measures in every row, by their names in ``gandem.metrics.evaluation.MEASURES``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model's scores over seeds, with all that they depend on.

    Texts and numbers as they stand in the file.  ``final_…`` are of the last checkpoints,
    ``best_…`` of those with the least Fréchet distance while they trained, each scored anew;
    ``…_mean`` and ``…_sd`` over seeds (of one seed there is no deviation), ``floor_…`` what real
    images get. Nothing where a measure does not apply.
    """

    model: str
    spec: str
    data: str
    backend: str
    device: str
    precision: str
    steps: int
    epochs: float
    seeds: int
    figures: dict[str, float | None]
    real: int
    fake: int
    of: int
    extractor: str
    extractor_digest: str
    data_digest: str
    scored_with_seed: int
    formulas: int
    options: str
    seconds: float
    date: str
    versions: str

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells one row from another: measured again, it takes the other's place."""
        return (
            self.model,
            self.spec,
            self.backend,
            self.device,
            self.precision,
            self.steps,
            *self.measured,
        )

    @property
    def measured(self) -> tuple[Any, ...]:
        """What decides the scores beside the training: rows with another stand in another table."""
        drawn = (self.real, self.fake, self.scored_with_seed)
        return (self.data_digest, self.extractor_digest, *drawn, self.formulas)

    def to_data(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self)

    @property
    def protocol(self) -> str:
        """The protocol in a few words; rows of another stand in another table."""
        return (
            f"{self.fake:,} images against {self.real:,} of the {self.of:,} of {self.data}, "
            f"features of {self.extractor} ({self.extractor_digest[:8]}), "
            f"seed {self.scored_with_seed}"
        )


PLAIN = [f.name for f in fields(Result) if f.name != "figures"]
KINDS: dict[str, Any] = {
    f.name: {"int": int, "float": float}.get(str(f.type), str) for f in fields(Result)
}
NUMBERS = [
    *(
        f"{which}_{name}_{what}"
        for which in ("final", "best")
        for name in FIGURES
        for what in ("mean", "sd")
    ),
    *(f"floor_{name}" for name in FIGURES),
]
COLUMNS = [*PLAIN, *NUMBERS]


def spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return mean and standard deviation (of a sample, divided by n − 1) of values over seeds.

    >>> spread([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    there = [value for value in values if value is not None]
    if not there or len(there) < len(values):
        return None, None
    return statistics.fmean(there), statistics.stdev(there) if len(there) > 1 else None


def read_results(path: Path) -> list[Result]:
    """Return the rows of a CSV file; none where there is no file.

    Raises:
        DataError: it is no such file.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: no table of results; it lacks the column {missing[0]!r}.")
            return [_row(row) for row in table]
    except (OSError, ValueError, csv.Error, TypeError) as error:
        raise DataError(f"{path}: cannot be read as a table of results ({error}).") from None


def _row(row: dict[str, str]) -> Result:
    plain = {name: KINDS[name](row[name]) for name in PLAIN}
    figures = {name: float(row[name]) if row[name] else None for name in NUMBERS}
    return Result(**plain, figures=figures)


def write_results(path: Path, rows: Iterable[Result]) -> None:
    """Write rows to a CSV file, by model within data.

    Raises:
        RunError: the place cannot be written.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for row in sorted(rows, key=lambda row: (row.data, row.protocol, row.model, row.key[1:4])):
        plain = asdict(row)
        figures = plain.pop("figures")
        table.writerow(plain | {name: _written(figures.get(name)) for name in NUMBERS})
    write_file(path, text.getvalue().encode())


def _written(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def in_words(row: Result) -> str:
    """Return a row as a line."""
    final, best = (row.figures[f"{which}_frechet_mean"] for which in ("final", "best"))
    return (
        f"{row.model} on {row.data}, {row.seeds} seeds of {row.steps} steps: Fréchet distance "
        f"{final:.3g} at the end, {best:.3g} at best; real images get "
        f"{row.figures['floor_frechet']:.3g}"
    )


def merge(old: Iterable[Result], new: Iterable[Result]) -> list[Result]:
    """Return old rows with new ones, which take the place of those they measure again."""
    found = {row.key: row for row in old}
    return list((found | {row.key: row for row in new}).values())
