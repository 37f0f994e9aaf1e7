"""The log of a run, ``log.jsonl``: one JSON object per line, always ordered by step.

Rows with losses are written every ``log_every`` steps; other rows hold the discriminator's accuracy
(``accuracy``), scores (``scores``) or a warning (``health``).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gandem.core.documents import finite, is_number, parse_json
from gandem.core.files import append_line

FILE_NAME = "log.jsonl"
REMEDY = "try a smaller learning rate"
MAX_DEPTH = 4
"""Levels of lists and tables in a row; those of gandem have two."""
TAIL_SIZE = 1 << 16
"""Bytes at the end of a log that are searched for the last row; a row has about two hundred."""
MAX_STEP = 10**18


class DivergedError(Exception):
    """A loss or a weight is not finite; the trainer turns it into a :class:`RunError`."""


def is_logged(step: int, every: int) -> bool:
    """Return True for a step with a log row: the first, and each multiple of ``every``."""
    return step == 1 or step % every == 0


def has_losses(row: Mapping[str, Any]) -> bool:
    """Return True for a row of losses, False for one of accuracy, scores or a warning."""
    return not ("health" in row or "accuracy" in row or "scores" in row)


def read_log(run_dir: Path) -> list[dict[str, Any]]:
    """Return all rows of a run's log, without lines that are damaged or cut short by a crash."""
    path = run_dir / FILE_NAME
    try:
        lines = path.read_bytes().splitlines() if path.is_file() else []
    except OSError:
        return []
    return [row for row in map(_decode_row, lines) if row is not None]


def read_last_row(run_dir: Path) -> dict[str, Any]:
    """Return the last row with losses, empty if there is none; only the end of the log is read."""
    path = run_dir / FILE_NAME
    try:
        if not path.is_file():  # opening a pipe would block
            return {}
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_SIZE))
            lines = file.read().splitlines()
    except OSError:
        return {}
    rows = (_decode_row(line) for line in reversed(lines))
    return next((row for row in rows if row is not None and has_losses(row)), {})


def append_row(run_dir: Path, row: Mapping[str, Any]) -> int:
    """Append a row to the log, and return the new size of the file in bytes."""
    return append_line(run_dir / FILE_NAME, json.dumps(finite(row)))


def check_losses(losses: Mapping[str, float], step: int) -> None:
    """Raise a :class:`DivergedError` if a loss is not finite."""
    for name, value in losses.items():
        if not math.isfinite(value):
            raise DivergedError(f"the {name} loss is {value} at step {step}; {REMEDY}")


def _decode_row(line: bytes) -> dict[str, Any] | None:
    """Return a row of the log; None for a line that is not one."""
    try:
        row = parse_json(line, MAX_DEPTH)
    except ValueError:
        return None
    if not isinstance(row, dict) or not _is_count(row.get("step")):
        return None
    checks = (check(row[name]) for name, check in _CHECKS.items() if name in row)
    if not all(checks) or ("health" in row and not _is_warning(row)):
        return None
    return row


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < MAX_STEP


def _is_number(value: object) -> bool:
    return value is None or is_number(value)


def _are_numbers(value: object, required: Iterable[str] = ()) -> bool:
    if not isinstance(value, dict) or any(value.get(name) is None for name in required):
        return False
    return all(map(_is_number, value.values()))


def _is_warning(row: Mapping[str, Any]) -> bool:
    texts = ["health", "state"] + ["because", "remedy"] * (row.get("state") == "begins")
    options = row.get("options", [])
    return (
        all(isinstance(row.get(name), str) for name in texts)
        and isinstance(options, list)
        and all(isinstance(option, str) for option in options)
        and _is_count(row.get("since_step", 0))
    )


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("epoch", "stage"), _is_count),
    **dict.fromkeys(("seconds", "steps_per_second", "variety", "nearest"), _is_number),
    **dict.fromkeys(("generator", "discriminator", "real_accuracy", "fake_accuracy"), _is_number),
    **dict.fromkeys(("frechet_of_average", "fade_in"), _is_number),
    **dict.fromkeys(("scores", "moved"), _are_numbers),
    "accuracy": lambda value: _are_numbers(value, ("real", "fake", "count")),
}
"""The types of the columns that gandem reads."""
