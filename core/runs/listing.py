"""Summaries of the runs in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gandem.core.errors import GandemError, RunError
from gandem.core.runs.checkpoints.file import parse_step
from gandem.core.runs.log import read_last_row
from gandem.core.runs.run import Run, open_run
from gandem.core.runs.run_dir import is_locked

__all__ = ["Summary", "count_steps", "describe_health", "find_runs", "read_state"]

MAX_DEPTH = 4
"""Levels of subfolders that are searched."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run, summarized.

    Attributes:
        state: ``"finished"``, ``"interrupted"``, ``"running"``, ``"diverged"``, ``"failed"``, or
            ``"damaged"``, which ``problem`` explains.
        step: steps made; ``steps``: steps planned.
        best: metric, value and step of the best checkpoint, if one is marked.
        started: in ISO 8601, UTC.
        health: current warnings, such as ``"oscillation"``; or ``"well"``, or ``"unknown"``.
    """

    path: str
    model: str = ""
    backend: str = ""
    data: str = ""
    step: int = 0
    steps: int | None = None
    best: dict[str, Any] | None = None
    state: str = "damaged"
    started: str = ""
    health: str = ""
    problem: str = ""

    def to_data(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        return asdict(self)


def find_runs(folder: Path | str) -> list[Summary]:
    """Return summaries of the runs in a folder and its subfolders, oldest first.

    Raises:
        RunError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: no such folder.")
    return sorted(map(_summarize, _find_folders(folder)), key=lambda run: (run.started, run.path))


def read_state(run: Run) -> str:
    """Return the state of a run; one that run.json calls running may have been killed."""
    state = run.record.state
    return "interrupted" if state == "running" and is_locked(run.path) is False else state


def count_steps(run: Run) -> int:
    """Return the steps a run has made: those logged if it is running, otherwise those saved."""
    if read_state(run) == "running":
        return int(read_last_row(run.path).get("step", 0))
    saved = [step for path in run.checkpoints() if (step := parse_step(path)) is not None]
    return max([*saved, run.record.steps])


def _summarize(folder: Path) -> Summary:
    try:
        run = open_run(folder)
        state, step = read_state(run), count_steps(run)
    except GandemError as error:
        return Summary(str(folder), problem=str(error))
    record = run.record
    return Summary(
        str(folder),
        model=run.spec.name,
        backend=record.backend,
        data=record.data.name,
        step=step,
        steps=record.steps_planned or None,
        best=None if record.best is None else asdict(record.best),
        state=state,
        started=record.started,
        health=describe_health(run),
    )


def describe_health(run: Run) -> str:
    """Return the current warnings of a run, or ``"well"``, or ``"unknown"``."""
    now = (run.record.health or {}).get("now")
    return ", ".join(map(str, now)) if isinstance(now, list) else ""


def _find_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold a run.json, without searching inside them."""
    for root, subfolders, files in os.walk(folder):
        path = Path(root)
        if "run.json" in files:
            subfolders.clear()
            yield path
        elif len(path.relative_to(folder).parts) >= MAX_DEPTH:
            subfolders.clear()
        else:
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
