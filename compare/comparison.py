"""A comparison in a folder: its plan, the state of each cell, and running what is left to be run.

::

    comparison/
        comparison.json      the plan: what is compared
        cells/dcgan_torch_seed0/      a run, with scores.json when it has been scored
        paths/dcgan_torch-keras_seed0.json      two backends followed side by side
        ended.jsonl          how each job ended: why, where not well
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandem.compare.commands import score_words, train_words, walk_words
from gandem.compare.grid import Cell, Grid, Setting, cells_of
from gandem.compare.jobs import Ended, Job
from gandem.compare.launchers import Launcher, Pending
from gandem.compare.read import (
    finite_of,
    is_number,
    is_report,
    is_score,
    last_row,
    number,
    read_json,
)
from gandem.core.errors import GandemError, RunError, shown
from gandem.core.files import append_line, make_folder, write_json
from gandem.core.plugins.isolation import format_error
from gandem.core.runs import Run, open_run
from gandem.core.runs.listing import count_steps, describe_health, read_state
from gandem.core.runs.run_dir import is_locked, lock_run_dir

__all__ = ["Comparison", "State", "open_comparison", "plan"]

PLAN, CELLS, PATHS, ENDED = "comparison.json", "cells", "paths", "ended.jsonl"
SCORES, LOG = "scores.json", "log.jsonl"
FORMAT = 1
STATES = (
    *("waiting", "running", "interrupted", "scoring", "not scored", "finished"),
    *("done", "diverged", "failed"),
)
LOSSES = ("discriminator", "generator")
SCORING, WALKING, TRAINING = ("count", "extractor"), ("path_steps",), ("device",)
"""Fields of a grid that nothing but scores, walks, and trainings hang on."""
EVERY = 0.5
"""Seconds between two looks at the cells."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a cell is.

    Attributes:
        words: ``"waiting"``, ``"running"``, ``"interrupted"``, ``"scoring"``, ``"not
            scored"``, ``"finished"`` (a single run that was not scored), ``"done"``,
            ``"diverged"``, ``"failed"``, ``"damaged"``.
        health: in a word or two, ``"well"``.
        problem: why it failed.
    """

    words: str
    step: int = 0
    total: int = 0
    rate: float = 0.0
    losses: Mapping[str, float] | None = None
    health: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison on disk; or a run ``alone``, which is one of a single cell."""

    path: Path
    grid: Grid
    alone: bool = False

    def cells(self) -> tuple[Cell, ...]:
        """Return its trainings."""
        return cells_of(self.grid)

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell's run."""
        return self.path if self.alone else self.path / CELLS / cell.folder

    def run(self, cell: Cell) -> Run | None:
        """Return a cell's run, if it has begun."""
        try:
            return open_run(self.folder(cell))
        except GandemError:
            return None

    def scores(self, cell: Cell) -> list[dict[str, Any]] | None:
        """Return what a cell was scored with, if it was."""
        found: list[Any] | None = read_json(self.folder(cell) / SCORES, list)
        if not found or not all(map(is_score, found)):
            return None
        details, run = found[0].get("details"), self.run(cell)
        step = details.get("step") if isinstance(details, dict) else None
        if run is not None and step is not None and step != run.record.steps:
            return None  # of before the run was extended
        return [row | {part: finite_of(row[part]) for part in ("values", "floor")} for row in found]

    def paths(self) -> dict[tuple[str, Setting, int, tuple[str, str]], dict[str, Any] | None]:
        """Return the reports of backends followed side by side; None for those not there yet."""
        return {key: self.walk(*key) for key in self.grid.pairs()}

    def walk(
        self, model: str, setting: Setting, seed: int, pair: tuple[str, str]
    ) -> dict[str, Any] | None:
        """Return the report of two backends followed side by side, if it is there."""
        report: dict[str, Any] | None = read_json(self._path_file(model, setting, seed, pair), dict)
        return report if is_report(report) else None

    def ended(self) -> dict[str, str]:
        """Return why jobs failed, by the name of each; of those that failed last time."""
        found: dict[str, str] = {}
        try:
            lines = (self.path / ENDED).read_text("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # it was torn by a kill
                row = json.loads(line)
                found[str(row["job"])] = str(row["reason"])
        over = {cell.folder for cell in self.cells() if self.is_over(cell)}
        over |= {self.path_name(*key) for key, report in self.paths().items() if report}
        return {name: why for name, why in found.items() if why and name not in over}

    def is_over(self, cell: Cell) -> bool:
        """Return whether a cell has nothing left to do: it is trained and scored, or it diverged,
        as it would again.
        """
        run = self.run(cell)
        state = run.record.state if run else None
        return state == "diverged" or (state == "finished" and bool(self.scores(cell)))

    def state(self, cell: Cell, problems: Mapping[str, str]) -> State:
        """Return where a cell is, as its folder tells."""
        problem, folder = problems.get(cell.folder, ""), self.folder(cell)
        try:
            run = open_run(folder)
        except GandemError as error:
            if not problem and (folder / "spec.toml").exists():
                return State("damaged", problem=format_error(error))
            total = self.grid.total(cell.model, cell.setting)
            return State("failed" if problem else "waiting", total=total, problem=problem)
        words, last = read_state(run), last_row(run.path / LOG)
        running = words == "running"
        if words == "finished":
            words = self._finished_state(cell, problem)
        elif words == "interrupted" and problem:
            words = "failed"
        return State(
            words=words if words in STATES else "damaged",
            step=int(number(last.get("step") if running else count_steps(run))),
            total=int(number(run.record.steps_planned)),
            rate=number(last.get("steps_per_second")),
            losses={n: float(last[n]) for n in LOSSES if is_number(last.get(n))},
            health=describe_health(run),
            problem="" if words == "done" else problem,
        )

    def _finished_state(self, cell: Cell, problem: str) -> str:
        """Return the state of a cell whose run is finished."""
        if self.scores(cell):
            return "done"
        if problem:
            return "failed"
        if self.alone:
            return "finished"
        return "not scored" if is_locked(self.path) is False else "scoring"

    def forbids(self, changed: Collection[str]) -> bool:
        """Return whether something is there already that these fields of the grid had a part in."""
        scored = any((self.folder(cell) / SCORES).exists() for cell in self.cells())
        walked = any(self.paths().values())
        begun = any(self.folder(cell).exists() for cell in self.cells())
        free = (() if scored else SCORING) + (() if walked else WALKING)
        free += () if begun else TRAINING
        return not set(changed) <= set(free)

    # --- jobs ------------------------------------------------------------------------------------

    def jobs(self, threads: int) -> list[Job]:
        """Return what is left to be done: trainings that are not finished or not scored, then
        measurements of paths.
        """
        found = [self._training(cell, threads) for cell in self.cells() if not self.is_over(cell)]
        for key, report in self.paths().items():
            if report is None:
                found.append(self._measurement(*key, threads))
        return found

    def _training(self, cell: Cell, threads: int) -> Job:
        folder = str(self.folder(cell))
        return Job(
            name=cell.folder,
            run=folder,
            train=(*train_words(self.grid, cell, folder), "--json"),
            measure=(*score_words(self.grid, folder), "--json"),
            output=str(self.folder(cell) / SCORES),
            threads=threads,
            folder=str(Path.cwd()),
        )

    def _measurement(
        self, model: str, setting: Setting, seed: int, pair: tuple[str, str], threads: int
    ) -> Job:
        place = self._path_file(model, setting, seed, pair)
        return Job(
            name=place.stem,
            measure=(*walk_words(self.grid, model, setting, seed, pair), "--json"),
            output=str(place),
            threads=threads,
            folder=str(Path.cwd()),
        )

    def path_name(self, model: str, setting: Setting, seed: int, pair: tuple[str, str]) -> str:
        """Return what the job is called that follows two backends."""
        return Cell(model=model, setting=setting, backend="-".join(pair), seed=seed).folder

    def _path_file(self, model: str, setting: Setting, seed: int, pair: tuple[str, str]) -> Path:
        return self.path / PATHS / f"{self.path_name(model, setting, seed, pair)}.json"

    def work(
        self,
        launcher: Launcher,
        threads: int,
        look: Callable[[Comparison, Mapping[str, str]], None] | None = None,
    ) -> None:
        """Do what is left to be done. What fails is noted, and takes nothing else down.

        Args:
            look: called every half second, with the names of jobs that have failed and why.

        Raises:
            RunError: another process works on this comparison.
        """
        with lock_run_dir(self.path, "works on this comparison"):
            make_folder(self.path / CELLS)
            make_folder(self.path / PATHS)
            jobs = self.jobs(threads)
            failed: dict[str, str] = {}
            for job in jobs:  # whatever was the matter is not, until it is again
                append_line(self.path / ENDED, json.dumps({"job": job.name, "reason": ""}))
            going = dict(zip((job.name for job in jobs), launcher.submit(jobs), strict=True))
            while going:
                for name in [name for name, pending in going.items() if pending.done()]:
                    reason = _reason(going.pop(name))
                    failed |= {name: reason} if reason else {}
                    append_line(self.path / ENDED, json.dumps({"job": name, "reason": reason}))
                if look is not None:
                    look(self, failed)
                time.sleep(EVERY if going else 0)


def _reason(pending: Pending) -> str:
    """Return why a job failed; nothing where it did not."""
    try:
        ended: object = pending.result()
    except Exception as error:  # whoever ran it is gone, in a way of the launcher's own
        return f"lost: {format_error(error)}"
    if not isinstance(ended, Ended):
        return "lost: its launcher did not say how it ended"
    return ended.reason


def plan(path: Path, grid: Grid) -> Comparison:
    """Begin a comparison in a folder, or go on with the same one.

    Raises:
        RunError: the folder holds something else, or another comparison; the text says what
            differs.
    """
    cells_of(grid)
    try:
        path.exists()
    except OSError as error:
        raise RunError(f"--out: no place for a comparison ({error.strerror}).") from None
    if (path / PLAN).is_file():
        there = open_comparison(path)
        old, new = there.grid.to_data(), grid.to_data()
        changed = [name for name in new if json.dumps(old[name]) != json.dumps(new[name])]
        if changed and not there.forbids(changed):
            write_json(path / PLAN, {"format": FORMAT, **new})
            return Comparison(path, grid)
        if changed == ["specs"]:
            raise RunError(f"{path}: a spec of this comparison has changed; choose another --out.")
        if changed:
            name = changed[0]
            raise RunError(
                f"{path}: it holds another comparison, whose {name} is {shown(old[name])}, not "
                f"{shown(new[name])}; choose another --out."
            )
        return there
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunError(f"{path}: it exists and holds no comparison; choose another --out.")
    make_folder(path)
    write_json(path / PLAN, {"format": FORMAT, **grid.to_data()})
    return Comparison(path, grid)


def open_comparison(path: Path) -> Comparison:
    """Open a comparison's folder, or a run's.

    Raises:
        RunError: it is neither, or damaged.
    """
    found: dict[str, Any] | None = read_json(path / PLAN, dict)
    if found is None and not (path / PLAN).exists() and (path / "spec.toml").is_file():
        return _alone(open_run(path))
    if found is None:
        raise RunError(f"{path}: neither a comparison ({PLAN}) nor a run that can be read.")
    if found.pop("format", None) != FORMAT:
        raise RunError(f"{path}: a comparison of another gandem; upgrade it.")
    try:
        return Comparison(path, Grid.from_data(found))
    except (TypeError, KeyError, ValueError, GandemError) as error:
        raise RunError(f"{path / PLAN}: damaged ({error}).") from None


def _alone(run: Run) -> Comparison:
    record = run.record
    grid = Grid(
        models=(record.model or run.spec.name,),
        backends=(record.backend,),
        seeds=(record.seed,),
        path_steps=0,
    )
    return Comparison(run.path, grid, alone=True)
