"""The log of a run, ``log.jsonl``: one JSON object per line, always ordered by step.

Rows with losses are written every ``log_every`` steps; other rows hold the discriminator's accuracy
(``judged``), scores (``scores``) or a warning (``health``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gandem.core.files import append_line

__all__ = [
    "REMEDY",
    "DivergedError",
    "append_row",
    "check_losses",
    "has_losses",
    "is_logged",
    "read_log",
]

REMEDY = "try a smaller learning rate"


class DivergedError(Exception):
    """A loss or a weight is not finite; the trainer turns it into a :class:`RunError`."""


def is_logged(step: int, every: int) -> bool:
    """Return True if a training logs a step wherever it ends: the first, and every so many."""
    return step == 1 or step % every == 0


def has_losses(row: Mapping[str, Any]) -> bool:
    """Return True for a row of losses, False for one of accuracy, scores or a warning."""
    return not ("health" in row or "judged" in row or "scores" in row)


def read_log(run_dir: Path) -> list[dict[str, Any]]:
    """Return all rows of a run's log; a line cut short by a crash ends it."""
    rows: list[dict[str, Any]] = []
    try:
        path = run_dir / "log.jsonl"
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            row = json.loads(line)
            if not isinstance(row, dict) or type(row.get("step")) is not int:
                break
            rows.append(row)
    except (OSError, ValueError, RecursionError):
        pass
    return rows


def append_row(run_dir: Path, row: Mapping[str, Any]) -> None:
    """Append a row to the log."""
    append_line(run_dir / "log.jsonl", json.dumps(row))


def check_losses(losses: Mapping[str, float], step: int) -> None:
    """Raise a :class:`DivergedError` if a loss is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergedError(f"the {name} loss is {value} at step {step}; {REMEDY}")
