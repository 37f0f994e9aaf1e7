"""Rows of results in a CSV file."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gandem.compare.results.tables import read_table, write_table

FIGURES = (
    *("frechet", "kernel", "precision", "recall", "density", "coverage", "entropy", "accuracy"),
    *("modes", "mode_divergence", "high_quality", "memorized", "nearest", "gan_train"),
)
"""Measures in every row, by their names in ``gandem.metrics.evaluation.MEASURES``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The scores of a model over seeds, with all that they depend on.

    Attributes:
        spec: digest of the spec.
        recipe_epochs: those of the model's recipe.
        seeds: number of scored runs; diverged: number of further runs, which diverged.
        figures: by the name of the column: ``final_…`` of the last checkpoints, ``best_…`` of those
            with the lowest Fréchet distance during training, both scored anew; ``…_mean`` and
            ``…_sd`` over seeds; ``real_baseline_…`` of other real images. None if not applicable.
        real, fake, of, …, classifier: the protocol, see
            :class:`gandem.metrics.evaluation.Protocol`.
        options: changes of the model's spec.
        origin: the run or file that the first weights come from, and the start of their SHA-256;
            empty for initial weights.
        seconds: of training, over all seeds.
    """

    model: str
    spec: str
    data: str
    backend: str
    device: str
    precision: str
    steps: int
    epochs: float
    recipe_epochs: int
    seeds: int
    diverged: int
    figures: dict[str, float | None]
    real: int
    fake: int
    of: int
    extractor: str
    extractor_digest: str
    data_digest: str
    scored_with_seed: int
    formulas: int
    classifier: str
    options: str
    origin: str
    seconds: float
    date: str
    versions: str

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies a row: a new row with the same key replaces the old one."""
        return (
            self.model,
            self.spec,
            self.backend,
            self.device,
            self.precision,
            self.steps,
            self.origin,
            *self.measured,
        )

    @property
    def measured(self) -> tuple[Any, ...]:
        """Identifies the protocol; each protocol has a table of its own."""
        drawn = (self.real, self.fake, self.scored_with_seed)
        return (self.data_digest, self.extractor_digest, *drawn, self.formulas)

    @property
    def title(self) -> str:
        """The model, its options and the origin of its weights, in Markdown."""
        options = f" `{self.options}`" if self.options else ""
        return f"{self.model}{options}{f', from {self.origin}' if self.origin else ''}"

    @property
    def picture(self) -> str:
        """The name of the file with samples of the row."""
        origin = (self.origin,) if self.origin else ()
        parts = (self.model, self.data, self.backend, str(self.steps), self.spec[:8], *origin)
        return re.sub(r"[^\w.-]+", "-", "-".join(parts)) + ".png"

    def to_data(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)

    @property
    def protocol(self) -> str:
        """The protocol as text."""
        classifier = f", trained classifier {self.classifier}" if self.classifier else ""
        return (
            f"{self.fake:,} images against {self.real:,} of the {self.of:,} of {self.data}, "
            f"features of {self.extractor} ({self.extractor_digest[:8]}), "
            f"seed {self.scored_with_seed}{classifier}"
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
    *(f"real_baseline_{name}" for name in FIGURES),
]
COLUMNS = [*PLAIN, *NUMBERS]


def spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Return the mean and the sample standard deviation (divided by n − 1) of values over seeds.

    Both are None if a value is missing.

    >>> spread([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    numbers = [value for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return None, None
    return statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None


def read_results(path: Path) -> list[Result]:
    """Return the rows of a CSV file; none if there is no file.

    Raises:
        DataError: the file holds something else.
    """
    return read_table(path, COLUMNS, _row)


def _row(row: dict[str, str]) -> Result:
    plain = {name: KINDS[name](row[name]) for name in PLAIN}
    figures = {name: float(row[name]) if row[name] else None for name in NUMBERS}
    return Result(**plain, figures=figures)


def write_results(path: Path, rows: Iterable[Result]) -> None:
    """Write rows to a CSV file, sorted by data, protocol and model.

    Raises:
        RunError: the file cannot be written.
    """
    ordered = sorted(rows, key=lambda row: (row.data, row.protocol, row.model, row.key[1:4]))
    write_table(path, COLUMNS, map(_cells, ordered))


def _cells(row: Result) -> dict[str, Any]:
    plain = asdict(row)
    figures = plain.pop("figures")
    return plain | {name: _format(figures.get(name)) for name in NUMBERS}


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def merge(old: Iterable[Result], new: Iterable[Result]) -> list[Result]:
    """Return old and new rows; a new row replaces an old one with the same key."""
    return list({row.key: row for row in (*old, *new)}.values())
