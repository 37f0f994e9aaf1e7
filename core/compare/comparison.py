"""A comparison in a folder: its plan, the state of each cell, and running what is left to be run.

::

    comparison/
        comparison.json      the plan: what is compared
        cells/dcgan_torch_seed0/      a run, with scores.json when it has been scored
        paths/dcgan_seed0_torch_keras.json      two backends followed side by side
        ended.jsonl          how each job ended that did not end well
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandem.core.compare.grid import Cell, Grid, Setting, cells_of
from gandem.core.compare.jobs import Ended, Job
from gandem.core.compare.launchers import Launcher, Pending
from gandem.core.errors import GandemError, RunError
from gandem.core.files import append_line, make_folder, write_json
from gandem.core.runs import Run, open_run
from gandem.core.runs.listing import state_of, steps_of
from gandem.core.strangers import sentence

__all__ = ["Comparison", "State", "open_comparison", "plan"]

PLAN, CELLS, PATHS, ENDED = "comparison.json", "cells", "paths", "ended.jsonl"
FORMAT = 1
EVERY = 0.5
"""Seconds between two looks at the cells."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a cell is.

    Attributes:
        words: ``"waiting"``, ``"running"``, ``"interrupted"``, ``"scoring"``, ``"done"``,
            ``"diverged"``, ``"failed"``.
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
    """A comparison on disk."""

    path: Path
    grid: Grid

    def cells(self) -> list[Cell]:
        """Return its trainings."""
        return cells_of(self.grid)

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell's run."""
        return self.path / CELLS / cell.folder

    def run(self, cell: Cell) -> Run | None:
        """Return a cell's run, if it has begun."""
        try:
            return open_run(self.folder(cell))
        except GandemError:
            return None

    def scores(self, cell: Cell) -> list[dict[str, Any]] | None:
        """Return what a cell was scored with, if it was."""
        return _json(self.folder(cell) / "scores.json", list)

    def paths(self) -> dict[tuple[str, Setting, int, tuple[str, str]], dict[str, Any] | None]:
        """Return the reports of backends followed side by side; None for those not there yet."""
        return {key: _json(self._path_file(*key), dict) for key in self.grid.pairs()}

    def ended(self) -> dict[str, str]:
        """Return why jobs failed, by the cell's folder; the last reason of each."""
        found: dict[str, str] = {}
        try:
            for line in (self.path / ENDED).read_text("utf-8").splitlines():
                row = json.loads(line)
                found[row["cell"]] = row["reason"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return found

    def is_done(self, cell: Cell) -> bool:
        """Say whether a cell is trained and scored."""
        run = self.run(cell)
        return run is not None and run.facts.get("state") == "finished" and bool(self.scores(cell))

    def state(self, cell: Cell, problems: Mapping[str, str]) -> State:
        """Return where a cell is, as its folder tells."""
        run, problem = self.run(cell), problems.get(cell.folder, "")
        if run is None:
            return State("failed" if problem else "waiting", problem=problem)
        now, log = state_of(run), run.log()
        last = log[-1] if log else {}
        health = run.facts.get("health")
        facts = State(
            words={"finished": "scoring", "running": "running"}.get(now, now),
            step=steps_of(run),
            total=int(run.facts.get("steps_planned") or 0),
            rate=float(last.get("steps_per_second") or 0.0),
            losses={n: last[n] for n in ("discriminator", "generator") if last.get(n) is not None},
            health=str(health.get("verdict", "")) if isinstance(health, dict) else "",
            problem=problem,
        )
        if now == "finished":
            words = "done" if self.scores(cell) else "failed" if problem else "scoring"
            return _with(facts, words)
        if now == "interrupted" and problem:
            return _with(facts, "failed")
        return facts

    # --- jobs ------------------------------------------------------------------------------------

    def jobs(self, threads: int) -> list[Job]:
        """Return what is left to be done: trainings that are not finished or not scored, then
        measurements of paths.
        """
        found = [self._training(cell, threads) for cell in self.cells() if not self.is_done(cell)]
        for key, report in self.paths().items():
            if report is None:
                found.append(self._measurement(*key, threads))
        return found

    def _training(self, cell: Cell, threads: int) -> Job:
        folder, run, grid = self.folder(cell), self.run(cell), self.grid
        commands: list[tuple[str, ...]] = []
        if run is None:
            options = {
                "backend": cell.backend,
                "seed": cell.seed,
                "data": grid.data,
                "data-dir": grid.data_dir,
                "classes": ",".join(map(str, grid.classes)) if grid.classes else None,
                "epochs": grid.epochs,
                "steps": grid.steps,
                "precision": grid.precision,
                "evaluate-every": grid.evaluate_every,
                "out": folder,
            }
            given = [f"--{name}={value}" for name, value in options.items() if value is not None]
            changes = (*grid.changes, *cell.setting.changes)
            given += [f"--set={change}" for change in changes]
            commands.append(("train", cell.model, *given, "--json"))
        elif run.facts.get("state") != "finished":
            commands.append(("resume", str(folder), "--json"))
        score = ["evaluate", str(folder), "--checkpoint", "last", "-n", str(grid.count), "--json"]
        score += ["--extractor", grid.extractor] if grid.extractor else []
        commands.append(tuple(score))
        outputs = ("",) * (len(commands) - 1) + (str(folder / "scores.json"),)
        return Job(
            name=cell.folder,
            commands=tuple(commands),
            outputs=outputs,
            threads=threads,
            folder=str(Path.cwd()),
        )

    def _measurement(
        self, model: str, setting: Setting, seed: int, pair: tuple[str, str], threads: int
    ) -> Job:
        grid, place = self.grid, self._path_file(model, setting, seed, pair)
        given = ["--backends", ",".join(pair), "--seed", str(seed), "--size", "full", "--json"]
        given += ["--steps", str(grid.path_steps), "--tier", "twin"]
        given += ["--data", grid.data] if grid.data else []
        given += [f"--set={change}" for change in (*grid.changes, *setting.changes)]
        return Job(
            name=place.stem,
            commands=(("parity", model, *given),),
            outputs=(str(place),),
            threads=threads,
            folder=str(Path.cwd()),
        )

    def _path_file(self, model: str, setting: Setting, seed: int, pair: tuple[str, str]) -> Path:
        cell = Cell(model=model, setting=setting, backend="-".join(pair), seed=seed)
        return self.path / PATHS / f"{cell.folder}.json"

    def work(
        self,
        launcher: Launcher,
        threads: int,
        look: Callable[[Comparison, Mapping[str, str]], None] | None = None,
    ) -> None:
        """Do what is left to be done.  What fails is noted, and takes nothing else down.

        Args:
            look: called every half second, with the names of jobs that have failed and why.
        """
        make_folder(self.path / CELLS)
        make_folder(self.path / PATHS)
        failed: dict[str, str] = {}
        going = {job.name: launcher.submit(job) for job in self.jobs(threads)}
        while going:
            for name in [name for name, pending in going.items() if pending.done()]:
                if reason := _reason(going.pop(name)):
                    failed[name] = reason
                    append_line(self.path / ENDED, json.dumps({"cell": name, "reason": reason}))
            if look is not None:
                look(self, failed)
            time.sleep(EVERY if going else 0)


def _reason(pending: Pending) -> str:
    """Return why a job failed; nothing where it did not."""
    try:
        ended = pending.result()
    except Exception as error:  # whoever ran it is gone, in a way of the launcher's own
        return f"lost: {sentence(error)}"
    if not isinstance(ended, Ended):
        return "lost: its launcher did not say how it ended"
    return ended.reason


def _with(state: State, words: str) -> State:
    from dataclasses import replace

    return replace(state, words=words)


def _json(path: Path, kind: type) -> Any:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, kind) else None


def plan(path: Path, grid: Grid) -> Comparison:
    """Begin a comparison in a folder, or go on with the same one.

    Raises:
        RunError: the folder holds something else, or another comparison; the text says what
            differs.
    """
    cells_of(grid)
    if (path / PLAN).is_file():
        there = open_comparison(path)
        old, new = there.grid.to_data(), grid.to_data()
        changed = [name for name in new if json.dumps(old[name]) != json.dumps(new[name])]
        if changed:
            name = changed[0]
            raise RunError(
                f"{path}: it holds another comparison, whose {name} is {old[name]}, not "
                f"{new[name]}; choose another --out."
            )
        return there
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunError(f"{path}: it exists and holds no comparison; choose another --out.")
    make_folder(path)
    write_json(path / PLAN, {"format": FORMAT, **grid.to_data()})
    return Comparison(path, grid)


def open_comparison(path: Path) -> Comparison:
    """Open a comparison's folder.

    Raises:
        RunError: it is none, or damaged.
    """
    found = _json(path / PLAN, dict)
    if found is None:
        raise RunError(f"{path}: no comparison; there is no {PLAN} in it that can be read.")
    if found.pop("format", None) != FORMAT:
        raise RunError(f"{path}: a comparison of another gandem; upgrade it.")
    try:
        return Comparison(path, Grid.from_data(found))
    except (TypeError, KeyError, GandemError) as error:
        raise RunError(f"{path / PLAN}: damaged ({error}).") from None
