"""A comparison in a folder: its plan, the state of each cell, and running what is left to be run.

::

    comparison/
        comparison.json      the plan: what is compared
        cells/dcgan_torch_seed0/      a run, with scores.json when it has been scored
        paths/dcgan_seed0_torch_keras.json      two backends followed side by side
        ended.jsonl          how each job ended: why, where not well
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
from gandem.core.errors import GandemError, RunError, shown
from gandem.core.files import append_line, make_folder, write_json
from gandem.core.registry import find_model
from gandem.core.runs import Run, Settings, open_run
from gandem.core.runs.folder import hold
from gandem.core.runs.listing import state_of, steps_of
from gandem.core.strangers import sentence

__all__ = ["Comparison", "State", "open_comparison", "plan"]

PLAN, CELLS, PATHS, ENDED = "comparison.json", "cells", "paths", "ended.jsonl"
SCORES = "scores.json"
FORMAT = 1
STATES = ("waiting", "running", "interrupted", "scoring", "done", "diverged", "failed")
EVERY = 0.5
"""Seconds between two looks at the cells."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a cell is.

    Attributes:
        words: ``"waiting"``, ``"running"``, ``"interrupted"``, ``"scoring"``, ``"done"``,
            ``"diverged"``, ``"failed"``, ``"damaged"``.
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

    def cells(self) -> list[Cell]:
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
        found: list[dict[str, Any]] | None = _json(self.folder(cell) / SCORES, list)
        return found

    def paths(self) -> dict[tuple[str, Setting, int, tuple[str, str]], dict[str, Any] | None]:
        """Return the reports of backends followed side by side; None for those not there yet."""
        return {key: _json(self._path_file(*key), dict) for key in self.grid.pairs()}

    def ended(self) -> dict[str, str]:
        """Return why jobs failed, by the name of each; of those that failed last time."""
        found: dict[str, str] = {}
        try:
            for line in (self.path / ENDED).read_text("utf-8").splitlines():
                row = json.loads(line)
                found[row["job"]] = row["reason"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # it says why, and that is all it does
        return {name: reason for name, reason in found.items() if reason}

    def is_over(self, cell: Cell) -> bool:
        """Say whether nothing is left to do for a cell: it is trained and scored, or diverged, as
        it would again.
        """
        run = self.run(cell)
        state = run.facts.get("state") if run else None
        return state == "diverged" or (state == "finished" and bool(self.scores(cell)))

    def state(self, cell: Cell, problems: Mapping[str, str]) -> State:
        """Return where a cell is, as its folder tells."""
        run, problem = self.run(cell), problems.get(cell.folder, "")
        if run is None:
            return State("failed" if problem else "waiting", problem=problem)
        words, log = state_of(run), run.log()
        if words == "finished":
            words = "done" if self.scores(cell) else "failed" if problem else "scoring"
        elif words == "interrupted" and problem:
            words = "failed"
        last = log[-1] if log else {}
        health = run.facts.get("health")
        return State(
            words=words if words in STATES else "damaged",
            step=steps_of(run),
            total=int(run.facts.get("steps_planned") or 0),
            rate=float(last.get("steps_per_second") or 0.0),
            losses={n: last[n] for n in ("discriminator", "generator") if last.get(n) is not None},
            health=str(health.get("verdict", "")) if isinstance(health, dict) else "",
            problem="" if words == "done" else problem,
        )

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
        folder, grid = str(self.folder(cell)), self.grid
        begin = [*_options(grid, cell.model), f"--backend={cell.backend}", f"--seed={cell.seed}"]
        begin += _given(
            epochs=grid.epochs,
            steps=grid.steps,
            precision=grid.precision,
            evaluate_every=grid.evaluate_every,
            out=folder,
        )
        score = [folder, "--checkpoint=last", f"--count={grid.count}"]
        score += _given(extractor=grid.extractor)
        return Job(
            name=cell.folder,
            run=folder,
            train=("train", cell.model, *begin, *_set(grid, cell.setting), "--json"),
            measure=("evaluate", *score, "--json"),
            output=str(self.folder(cell) / SCORES),
            threads=threads,
            folder=str(Path.cwd()),
        )

    def _measurement(
        self, model: str, setting: Setting, seed: int, pair: tuple[str, str], threads: int
    ) -> Job:
        grid, place = self.grid, self._path_file(model, setting, seed, pair)
        given = [*_options(grid, model), f"--backends={','.join(pair)}", f"--seed={seed}"]
        given += ["--size=full", "--tier=twin", f"--steps={grid.path_steps}"]
        return Job(
            name=place.stem,
            measure=("parity", model, *given, *_set(grid, setting), "--json"),
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
        """Do what is left to be done.  What fails is noted, and takes nothing else down.

        Args:
            look: called every half second, with the names of jobs that have failed and why.

        Raises:
            RunError: another process works on this comparison.
        """
        with hold(self.path, "works on this comparison"):
            make_folder(self.path / CELLS)
            make_folder(self.path / PATHS)
            jobs = self.jobs(threads)
            failed: dict[str, str] = {}
            going = dict(zip((job.name for job in jobs), launcher.submit(jobs), strict=True))
            while going:
                for name in [name for name, pending in going.items() if pending.done()]:
                    reason = _reason(going.pop(name))
                    failed |= {name: reason} if reason else {}
                    append_line(self.path / ENDED, json.dumps({"job": name, "reason": reason}))
                if look is not None:
                    look(self, failed)
                time.sleep(EVERY if going else 0)


def _options(grid: Grid, model: str) -> list[str]:
    """Return options that tell a model's data."""
    settings = Settings(data=grid.data, classes=grid.classes).with_recipe(find_model(model))
    classes = ",".join(map(str, settings.classes or ())) or "all"
    return _given(data=settings.data, data_dir=grid.data_dir, classes=classes)


def _set(grid: Grid, setting: Setting) -> list[str]:
    return [f"--set={change}" for change in (*grid.changes, *setting.changes)]


def _given(**options: object) -> list[str]:
    """Return options of a command, without those that have no value."""
    there = {name.replace("_", "-"): v for name, v in options.items() if v is not None}
    return [f"--{name}={value}" for name, value in there.items()]


def _reason(pending: Pending) -> str:
    """Return why a job failed; nothing where it did not."""
    try:
        ended: object = pending.result()
    except Exception as error:  # whoever ran it is gone, in a way of the launcher's own
        return f"lost: {sentence(error)}"
    if not isinstance(ended, Ended):
        return "lost: its launcher did not say how it ended"
    return ended.reason


def _json(path: Path, kind: type) -> Any:
    try:
        found: object = json.loads(path.read_text("utf-8"))
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
    found: dict[str, Any] | None = _json(path / PLAN, dict)
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
    facts = run.facts
    grid = Grid(
        models=(str(facts.get("model", run.spec.name)),),
        backends=(str(facts.get("backend", "")),),
        seeds=(int(facts.get("seed", 0)),),
        path_steps=0,
    )
    return Comparison(run.path, grid, alone=True)
