"""The curves of results: the Fréchet distance of each run during its training, in a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gandem.compare.results.rows import Result
from gandem.compare.results.tables import read_table, write_table
from gandem.core.documents import is_number
from gandem.core.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The score of a run at one step of its training.

    Attributes:
        row: identifies the row of the results, see :func:`name_row`.
        real_baseline: the score of other real images.
        minutes: of training until then.
    """

    row: str
    data: str
    data_digest: str
    label: str
    seed: int
    step: int
    minutes: float
    frechet: float
    real_baseline: float


COLUMNS = [f.name for f in fields(CurvePoint)]
KINDS: dict[str, Any] = {
    f.name: {"int": int, "float": float}.get(str(f.type), str) for f in fields(CurvePoint)
}


def name_row(result: Result) -> str:
    """Return a name of the trainings of a row, whatever protocol scored them."""
    place = (result.backend, result.device, result.precision)
    origin = (result.origin,) if result.origin else ()
    return " ".join((result.model, result.spec[:16], *place, str(result.steps), *origin))


def read_points(result: Result, runs: Iterable[Run]) -> list[CurvePoint]:
    """Return the scores that the runs of a row have logged, and the minutes until each.

    The minutes are those of the row of losses before it.
    """
    origin = f", from {result.origin}" if result.origin else ""
    label = f"{f'{result.model} {result.options}'.strip()}{origin}, {result.backend}"
    points = []
    for run in runs:
        baseline = ((run.record.evaluation or {}).get("real_baseline") or {}).get("frechet")
        seconds = 0.0
        for row in run.rows():
            seconds = row.get("seconds") or seconds
            frechet = (row.get("scores") or {}).get("frechet")
            if is_number(frechet) and is_number(baseline):
                point = CurvePoint(
                    row=name_row(result),
                    data=result.data,
                    data_digest=result.data_digest,
                    label=label,
                    seed=run.record.seed,
                    step=row["step"],
                    minutes=round(seconds / 60, 2),
                    frechet=float(f"{frechet:.4g}"),
                    real_baseline=float(f"{baseline:.4g}"),
                )
                points.append(point)
    return points


def read_curves(path: Path) -> list[CurvePoint]:
    """Return the points of a CSV file; none if there is no file.

    Raises:
        DataError: the file holds something else.
    """
    return read_table(
        path, COLUMNS, lambda row: CurvePoint(**{name: KINDS[name](row[name]) for name in COLUMNS})
    )


def write_curves(path: Path, points: Iterable[CurvePoint]) -> None:
    """Write points to a CSV file, sorted by data and row.

    Raises:
        RunError: the file cannot be written.
    """
    ordered = sorted(points, key=lambda point: (point.data, point.row, point.seed, point.step))
    write_table(path, COLUMNS, map(asdict, ordered))


def merge_curves(old: Sequence[CurvePoint], new: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return old and new points; those of a row replace the old ones of the row."""
    replaced = {(point.data_digest, point.row) for point in new}
    return [point for point in old if (point.data_digest, point.row) not in replaced] + [*new]
