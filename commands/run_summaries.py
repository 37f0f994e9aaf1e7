"""Summaries of the runs in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gandem.core.errors import GandemError, RunError
from gandem.core.runs import open_run

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


def _summarize(folder: Path) -> Summary:
    try:
        run = open_run(folder)
        state, step = run.status(), run.count_steps()
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
        health=run.health(),
    )


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
