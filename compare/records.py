"""The files of a comparison that its jobs write; third parties may have changed them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gandem.core.documents import is_number, parse_json

MARK_FIELDS = (
    *("weights_max", "weights_median", "loss_max", "statistics_max"),
    *("baseline_max", "baseline_median", "baseline_statistics_max", "floor"),
)
"""The numbers of a mark; null for one that is not finite."""
MAX_VALUE = 1e30
"""Larger numbers count as not finite."""


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if there is none."""
    data = _read_json(path)
    return data if isinstance(data, dict) else None


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Return what ``gandem evaluate --json`` printed for a run; nothing if the file is damaged."""
    rows = _read_json(path)
    if not isinstance(rows, list) or not all(map(_is_score, rows)):
        return []
    return [
        row | {part: keep_finite(row[part]) for part in ("values", "real_baseline")} for row in rows
    ]


def read_parity_report(path: Path) -> dict[str, Any] | None:
    """Return what ``gandem parity --json`` printed; None if there is none or it is damaged.

    Numbers of marks that are not finite are NaN.
    """
    report = read_object(path)
    if report is None or not isinstance(report.get("holds"), bool):
        return None
    marks = report.get("marks")
    if not is_number(report.get("steps")) or not marks or not isinstance(marks, list):
        return None
    if not all(map(_is_mark, marks)):
        return None
    return report | {"marks": [_fill_mark(mark) for mark in marks]}


def read_reasons(path: Path) -> dict[str, str]:
    """Return the last line about each job: why it failed, or an empty text."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    reasons = {}
    for line in lines:
        try:
            row = parse_json(line, strict=False)
        except ValueError:  # cut short by a kill
            continue
        if isinstance(row, dict) and isinstance(row.get("job"), str):
            reason = str(row.get("reason") or "")
            reasons[row["job"]] = reason.encode(errors="replace").decode()
    return reasons


def to_number(value: Any) -> float:
    """Return a number; 0 if the value is something else."""
    return float(value) if is_number(value) and abs(value) < MAX_VALUE else 0.0


def keep_finite(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return values with None for those that are not finite numbers."""
    return {
        name: value if is_number(value) and abs(value) < MAX_VALUE else None
        for name, value in values.items()
    }


def _read_json(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def _is_score(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    values, real_baseline = row.get("values"), row.get("real_baseline")
    if not isinstance(values, dict) or not isinstance(real_baseline, dict):
        return False
    details = row.get("details")
    if not isinstance(row.get("protocol"), dict) or not isinstance(details, dict | None):
        return False
    return all(v is None or is_number(v) for v in (*values.values(), *real_baseline.values()))


def _is_mark(mark: object) -> bool:
    if not isinstance(mark, dict) or not isinstance(mark.get("saturated"), bool):
        return False
    if type(mark.get("step")) is not int or mark["step"] < 0:
        return False
    return all(
        name in mark and (mark[name] is None or is_number(mark[name])) for name in MARK_FIELDS
    )


def _fill_mark(mark: Mapping[str, Any]) -> dict[str, Any]:
    values = keep_finite({name: mark[name] for name in MARK_FIELDS})
    return {**mark, **{n: math.nan if value is None else value for n, value in values.items()}}
