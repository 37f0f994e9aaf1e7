"""What the files of a comparison say, taken for a stranger's: anything may stand in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gandem.core.runs.log import has_losses

__all__ = ["finite_of", "is_number", "is_report", "is_score", "last_row", "number", "read_json"]

MARK = (
    "step",
    "weights_max",
    "weights_median",
    "loss_max",
    "baseline_max",
    "baseline_median",
    "floor",
)
"""What a mark of two backends followed side by side must hold."""
MAYBE = ("statistics_max", "baseline_statistics_max")
"""What those of an earlier gandem do not hold."""
LARGEST = 1e30
"""Numbers beyond it are none."""
TAIL = 1 << 16
"""Bytes of a log's end in which its last row is looked for; a row has about two hundred."""


def read_json(path: Path, kind: type) -> Any:
    """Return what a file of JSON holds; None where that is not of a kind, or there is no file."""
    try:
        found: object = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, kind) else None


def is_number(value: object) -> bool:
    """Return whether a value from a file is a number; NaN and infinity are."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float:
    """Return a number that a file should hold; 0 where it holds something else."""
    return float(value) if is_number(value) and abs(value) < LARGEST else 0.0


def finite_of(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the numbers among some values, None for each that is none, or not finite."""
    return {n: v if is_number(v) and abs(v) < LARGEST else None for n, v in values.items()}


def is_score(row: object) -> bool:
    """Return whether this is what ``gandem evaluate`` prints of a run."""
    if not isinstance(row, dict):
        return False
    values, floor, protocol = (row.get(name) for name in ("values", "floor", "protocol"))
    if not (isinstance(values, dict) and isinstance(floor, dict) and isinstance(protocol, dict)):
        return False
    return all(v is None or is_number(v) for v in (*values.values(), *floor.values()))


def is_report(row: Mapping[str, Any] | None) -> bool:
    """Return whether this is what ``gandem parity`` prints."""
    marks = row.get("marks") if row else None
    if not (row and isinstance(row.get("holds"), bool) and is_number(row.get("steps"))):
        return False
    return bool(marks and isinstance(marks, list)) and all(map(_is_mark, marks or ()))


def _is_mark(mark: object) -> bool:
    if not isinstance(mark, dict) or not isinstance(mark.get("saturated"), bool):
        return False
    numbers = [mark.get(name) for name in MARK] + [mark.get(name, 0.0) for name in MAYBE]
    return all(map(is_number, numbers)) and type(mark["step"]) is int and mark["floor"] < LARGEST


def last_row(log: Path) -> dict[str, Any]:
    """Return the last row of a log that tells losses, without reading what comes long before it;
    nothing where there is none. A line that is being written, or was cut short, is passed over.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        step = row.get("step") if isinstance(row, dict) else None
        if type(step) is int and step >= 0 and has_losses(row):
            return row
    return {}
