"""A comparison in a folder: its plan, the state of each cell, and running what is left.

::

    comparison/
        comparison.json      the plan
        cells/dcgan_torch_seed0/      a run, and scores.json once it is scored
        parity/dcgan_torch-keras_seed0.json      the parity of two backends
        ended.jsonl          how each job ended, and why if it failed
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandem.compare.command_lines import evaluate_command, parity_command, train_command
from gandem.compare.grid import Cell, Grid
from gandem.compare.jobs import Job, JobResult
from gandem.compare.launchers import Launcher, SubmittedJob
from gandem.compare.records import (
    read_object,
    read_parity_report,
    read_reasons,
    read_scores,
    to_number,
)
from gandem.compare.sweeps import Setting
from gandem.core.documents import is_number
from gandem.core.errors import GandemError, RunError, shown
from gandem.core.files import append_line, make_folder, write_json
from gandem.core.plugins.isolation import format_error
from gandem.core.runs import Run, open_run
from gandem.core.runs.log import read_last_row
from gandem.core.runs.run_dir import is_locked, lock_run_dir
from gandem.metrics.evaluation.evaluate import SCORES

PLAN, CELLS, PARITY, JOBS = "comparison.json", "cells", "parity", "ended.jsonl"
FORMAT = 1
STATES = (
    *("waiting", "running", "interrupted", "scoring", "not scored", "finished"),
    *("done", "diverged", "failed"),
)
LOSSES = ("discriminator", "generator")
SCORE_FIELDS, PARITY_FIELDS, RUN_FIELDS = (
    ("num_samples", "extractor"),
    ("parity_steps",),
    ("device",),
)
"""Fields of the plan that may change until there are scores, parity reports, or runs."""
POLL_INTERVAL = 0.5
"""Seconds between two checks of the jobs."""

Pair = tuple[str, Setting, int, tuple[str, str]]
"""A parity measurement: model, setting, seed and two backends."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a cell.

    Attributes:
        name: ``"waiting"``, ``"running"``, ``"interrupted"``, ``"scoring"``, ``"not
            scored"``, ``"finished"`` (a single run that was not scored), ``"done"``,
            ``"diverged"``, ``"failed"``, ``"damaged"``.
        health: current warnings, or ``"well"``.
        problem: why it failed.
    """

    name: str
    step: int = 0
    total: int = 0
    rate: float = 0.0
    losses: Mapping[str, float] | None = None
    health: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CellRecord:
    """What the folder of a cell holds, read once.

    Attributes:
        run: None before it starts, and if it is damaged.
        scores: of its last checkpoint and of its best; empty before it is scored.
    """

    cell: Cell
    folder: Path
    run: Run | None
    scores: tuple[Mapping[str, Any], ...]
    state: State

    @property
    def is_over(self) -> bool:
        """True if nothing is left to do: the run is scored, or diverged, as it would again."""
        state = self.run.record.state if self.run else ""
        return state == "diverged" or (state == "finished" and bool(self.scores))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison on disk, or a single run, which is shown as a comparison of one cell."""

    path: Path
    grid: Grid
    alone: bool = False

    def cells(self) -> tuple[Cell, ...]:
        """Return the cells."""
        return self.grid.cells()

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell's run."""
        return self.path if self.alone else self.path / CELLS / cell.folder

    def run(self, cell: Cell) -> Run | None:
        """Return the run of a cell, if it has started."""
        return self.read(cell).run

    def read_all(self) -> list[CellRecord]:
        """Return the records of all cells."""
        reasons = self.failures()
        return [self.read(cell, reasons) for cell in self.cells()]

    def read(self, cell: Cell, reasons: Mapping[str, str] | None = None) -> CellRecord:
        """Return the record of a cell.

        Args:
            reasons: why jobs failed, by name.
        """
        folder, problem = self.folder(cell), (reasons or {}).get(cell.folder, "")
        try:
            run = open_run(folder)
        except GandemError as error:
            if not problem and (folder / "spec.toml").exists():
                state = State("damaged", problem=format_error(error))
            else:
                total = self.grid.total(cell.model, cell.setting)
                state = State("failed" if problem else "waiting", total=total, problem=problem)
            return CellRecord(cell, folder, None, (), state)
        scores = _read_current_scores(folder, run)
        return CellRecord(cell, folder, run, scores, self._state(run, scores, problem))

    def _state(self, run: Run, scores: Collection[Any], problem: str) -> State:
        state, last = run.status(), read_last_row(run.path)
        step = last.get("step") if state == "running" else run.count_steps()
        if state == "finished":
            state = "done" if scores else self._finished_state(problem)
        elif state == "interrupted" and problem:
            state = "failed"
        return State(
            name=state if state in STATES else "damaged",
            step=int(to_number(step)),
            total=int(to_number(run.record.steps_planned)),
            rate=to_number(last.get("steps_per_second")),
            losses={name: float(last[name]) for name in LOSSES if is_number(last.get(name))},
            health=run.health(),
            problem="" if state in ("done", "diverged") else problem,
        )

    def _finished_state(self, problem: str) -> str:
        """Return the state of a finished run without scores."""
        if problem:
            return "failed"
        if self.alone:
            return "finished"
        return "not scored" if is_locked(self.path) is False else "scoring"

    def state(self, cell: Cell, reasons: Mapping[str, str]) -> State:
        """Return the state of a cell."""
        return self.read(cell, reasons).state

    def parity_reports(self) -> dict[Pair, dict[str, Any] | None]:
        """Return the parity reports; None for those that do not exist yet."""
        return {pair: self.parity_report(*pair) for pair in self.grid.pairs()}

    def parity_report(
        self, model: str, setting: Setting, seed: int, pair: tuple[str, str]
    ) -> dict[str, Any] | None:
        """Return the parity report of two backends, if it exists."""
        return read_parity_report(self._parity_file(model, setting, seed, pair))

    def failures(self) -> dict[str, str]:
        """Return why jobs failed, by name; only those that failed last time."""
        return {job: why for job, why in read_reasons(self.path / JOBS).items() if why}

    def can_change(self, fields: Collection[str]) -> bool:
        """Return True if no result depends on these fields of the plan yet."""
        scored = any((self.folder(cell) / SCORES).exists() for cell in self.cells())
        measured = any(self.parity_reports().values())
        started = any(self.folder(cell).exists() for cell in self.cells())
        free = (() if scored else SCORE_FIELDS) + (() if measured else PARITY_FIELDS)
        free += () if started else RUN_FIELDS
        is_used = started and self.grid.evaluate_every  # the extractor selects the best checkpoint
        return set(fields) <= {*free} - ({"extractor"} if is_used else set())

    # --- jobs ------------------------------------------------------------------------------------

    def jobs(self, threads: int) -> list[Job]:
        """Return what is left to do: runs that are not finished or not scored, then parity."""
        records = [self.read(cell) for cell in self.cells()]
        jobs = [self._run_job(record.cell, threads) for record in records if not record.is_over]
        for pair, report in self.parity_reports().items():
            if report is None:
                jobs.append(self._parity_job(*pair, threads))
        return jobs

    def _run_job(self, cell: Cell, threads: int) -> Job:
        folder = self.folder(cell)
        return Job(
            name=cell.folder,
            run=str(folder),
            train=(*train_command(self.grid, cell, str(folder)), "--json"),
            measure=(*evaluate_command(self.grid, str(folder)), "--json"),
            output=str(folder / SCORES),
            threads=threads,
            folder=str(Path.cwd()),
        )

    def _parity_job(
        self, model: str, setting: Setting, seed: int, pair: tuple[str, str], threads: int
    ) -> Job:
        path = self._parity_file(model, setting, seed, pair)
        return Job(
            name=path.stem,
            measure=(*parity_command(self.grid, model, setting, seed, pair), "--json"),
            output=str(path),
            threads=threads,
            folder=str(Path.cwd()),
        )

    def parity_name(self, model: str, setting: Setting, seed: int, pair: tuple[str, str]) -> str:
        """Return the name of the job that measures the parity of two backends."""
        return Cell(model=model, setting=setting, backend="-".join(pair), seed=seed).folder

    def _parity_file(self, model: str, setting: Setting, seed: int, pair: tuple[str, str]) -> Path:
        return self.path / PARITY / f"{self.parity_name(model, setting, seed, pair)}.json"

    def run_jobs(
        self,
        launcher: Launcher,
        threads: int,
        on_poll: Callable[[Comparison, Mapping[str, str]], None] | None = None,
    ) -> None:
        """Do what is left. Failed jobs are recorded; the others continue.

        Args:
            on_poll: called every half second, with the reasons of failed jobs by name.

        Raises:
            RunError: another process works on this comparison.
        """
        with lock_run_dir(self.path, "works on this comparison"):
            make_folder(self.path / CELLS)
            make_folder(self.path / PARITY)
            jobs = self.jobs(threads)
            failed: dict[str, str] = {}
            for job in jobs:
                self._append(job.name, "")
            pending = dict(zip((job.name for job in jobs), launcher.submit(jobs), strict=True))
            while pending:
                for name in [name for name, job in pending.items() if job.done()]:
                    reason = _reason(pending.pop(name))
                    failed |= {name: reason} if reason else {}
                    self._append(name, reason)
                if on_poll is not None:
                    on_poll(self, failed)
                time.sleep(POLL_INTERVAL if pending else 0)

    def _append(self, job: str, reason: str) -> None:
        append_line(self.path / JOBS, json.dumps({"job": job, "reason": reason}))


def _read_current_scores(folder: Path, run: Run) -> tuple[Mapping[str, Any], ...]:
    """Return the scores of a run; none if it was extended since it was scored."""
    scores = read_scores(folder / SCORES)
    for row in scores:
        details = row.get("details") or {}
        is_last = details.get("checkpoint") != "best"
        if is_last and details.get("step") not in (None, run.record.steps):
            return ()
    return tuple(scores)


def _reason(pending: SubmittedJob) -> str:
    """Return why a job failed; an empty text if it did not."""
    try:
        ended: object = pending.result()
    except Exception as error:  # the launcher has lost the worker
        return f"lost: {format_error(error)}"
    if not isinstance(ended, JobResult):
        return "lost: the launcher did not report how it ended"
    return ended.reason


def plan(path: Path, grid: Grid) -> Comparison:
    """Start a comparison in a folder, or continue the same one.

    Raises:
        RunError: the folder holds something else, or another comparison; the message says what
            differs.
    """
    grid.cells()
    try:
        path.exists()
    except OSError as error:
        raise RunError(f"--out: cannot be used as a folder ({error.strerror}).") from None
    if (path / PLAN).is_file():
        comparison = open_comparison(path)
        old, new = comparison.grid.to_data(), grid.to_data()
        changed = [name for name in new if old[name] != new[name]]
        if not changed:
            return comparison
        if comparison.can_change(changed):
            write_json(path / PLAN, {"format": FORMAT, **new})
            return Comparison(path, grid)
        if changed == ["specs"]:
            raise RunError(f"{path}: a spec of this comparison has changed; choose another --out.")
        name = changed[0]
        raise RunError(
            f"{path}: it holds another comparison, with {name} {shown(old[name])} instead of "
            f"{shown(new[name])}; choose another --out."
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunError(f"{path}: it exists and holds no comparison; choose another --out.")
    make_folder(path)
    write_json(path / PLAN, {"format": FORMAT, **grid.to_data()})
    return Comparison(path, grid)


def open_comparison(path: Path) -> Comparison:
    """Open the folder of a comparison or of a run.

    Raises:
        RunError: it is neither, or damaged.
    """
    data = read_object(path / PLAN)
    if data is None and not (path / PLAN).exists() and (path / "spec.toml").is_file():
        return _open_alone(open_run(path))
    if data is None and (path / PLAN).is_file():
        raise RunError(f"{path / PLAN}: damaged; choose another folder, or restore the file.")
    if data is None:
        raise RunError(f"{path}: neither a comparison ({PLAN}) nor a run that can be read.")
    if (number := data.pop("format", None)) != FORMAT:
        raise RunError(
            f"{path / PLAN}: expected format {FORMAT}, received {shown(number)}; another version "
            "of gandem may have written it."
        )
    try:
        comparison = Comparison(path, Grid.from_data(data))
        comparison.cells()
    except GandemError as error:
        raise RunError(f"{path / PLAN}: damaged; {error}") from None
    return comparison


def _open_alone(run: Run) -> Comparison:
    record = run.record
    grid = Grid(
        models=(record.model or run.spec.name,),
        backends=(record.backend,),
        seeds=(record.seed,),
        parity_steps=0,
    )
    return Comparison(run.path, grid, alone=True)
