"""Runs in a folder, at a glance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gandem.core.errors import GandemError, RunError
from gandem.core.runs.checkpoint import step_of
from gandem.core.runs.run import Run, open_run
from gandem.core.runs.run_dir import is_held

__all__ = ["Summary", "find_runs", "health_of", "state_of", "steps_of"]

DEPTH = 4
"""Folders within folders that are looked into."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in a line.

    Attributes:
        state: ``"finished"``, ``"interrupted"``, ``"running"``, ``"diverged"``, ``"failed"``, or
            ``"damaged"``, which ``problem`` explains.
        step: steps made; steps are what is planned.
        best: metric, value and step of the best checkpoint, where one was asked for.
        started: when, in ISO 8601, UTC.
        health: what is wrong with it, like ``"oscillation"``; or ``"well"``, or ``"unknown"``.
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
    """Return the runs in a folder and in those within it, oldest first.

    Raises:
        RunError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder.")
    return sorted(map(_summary, _places(folder)), key=lambda run: (run.started, run.path))


def state_of(run: Run) -> str:
    """Return a run's state as it is now: what run.json calls running may have been killed."""
    state = str(run.facts.get("state", "damaged"))
    return "interrupted" if state == "running" and is_held(run.path) is False else state


def steps_of(run: Run) -> int:
    """Return the steps a run has made: of one that goes on, those logged; else those kept."""
    if state_of(run) == "running":
        return max((row["step"] for row in run.log()), default=0)
    kept = [step for path in run.checkpoints() if (step := step_of(path)) is not None]
    said = run.facts.get("steps")
    return max([*kept, said if isinstance(said, int) else 0])


def _summary(folder: Path) -> Summary:
    try:
        run = open_run(folder)
        state, step = state_of(run), steps_of(run)
    except GandemError as error:
        return Summary(str(folder), problem=str(error))
    facts, planned = run.facts, run.facts.get("steps_planned")
    best = facts.get("best")
    return Summary(
        str(folder),
        model=run.spec.name,
        backend=facts["backend"],
        data=str(facts["data"].get("name", "")),
        step=step,
        steps=planned if isinstance(planned, int) else None,
        best=best if isinstance(best, dict) else None,
        state=state,
        started=str(facts.get("started", "")),
        health=health_of(run),
    )


def health_of(run: Run) -> str:
    """Return what is wrong with a run, or that nothing is, in a word or two."""
    facts = run.facts.get("health")
    now = facts.get("now") if isinstance(facts, dict) else None
    return ", ".join(map(str, now)) if isinstance(now, list) else ""


def _places(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold a run.json, without looking into a run."""
    for place, inner, files in os.walk(folder):
        path = Path(place)
        if "run.json" in files:
            inner.clear()
            yield path
        elif len(path.relative_to(folder).parts) >= DEPTH:
            inner.clear()
        else:
            inner[:] = sorted(name for name in inner if not name.startswith("."))
