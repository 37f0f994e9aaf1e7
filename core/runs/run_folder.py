"""The files of a run: its log, its checkpoints and its samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from gandem.core.errors import RunError, SpecError, shown
from gandem.core.runs.checkpoint import Checkpoint, list_checkpoints, parse_step, read_checkpoint
from gandem.core.runs.config import Settings
from gandem.core.runs.log import has_losses, read_last_row, read_log
from gandem.core.runs.record import RunRecord, covers, read_record
from gandem.core.runs.run_dir import is_locked
from gandem.core.specs import Spec, differences

LAST, BEST = "last", "best"
"""Names of checkpoints, besides their steps."""
ATTEMPTS = 5
"""How often a checkpoint is looked up that a training removes before it is read."""


@dataclass(frozen=True, slots=True, repr=False)
class RunFolder:
    """A run as it is on disk; ``record`` is what ``run.json`` held when it was opened."""

    path: Path
    spec: Spec
    record: RunRecord

    def __repr__(self) -> str:
        record = self.record
        return f"<Run {self.path}: {record.model}, {record.state} at step {record.steps}>"

    def status(self) -> str:
        """Return the state of the training; one that run.json calls running may be killed."""
        state = self.record.state
        return "interrupted" if state == "running" and is_locked(self.path) is False else state

    def count_steps(self) -> int:
        """Return the steps made: those logged if the training is running, else those saved."""
        if self.status() == "running":
            return int(read_last_row(self.path).get("step", 0))
        saved = [step for path in self.checkpoints() if (step := parse_step(path)) is not None]
        return max([*saved, self.record.steps])

    def health(self) -> str:
        """Return the current warnings, or ``"well"`` or ``"unknown"``; empty if not recorded."""
        now = (self.record.health or {}).get("now")
        return ", ".join(map(str, now)) if isinstance(now, list) else ""

    def settings(self) -> Settings:
        """Return the settings of the training.

        Raises:
            RunError: the record has none, or they do not fit the spec.
        """
        settings = self.record.settings
        try:
            if settings is None:
                raise SpecError("the field 'settings' is missing.")
            settings.best_of(self.spec)
        except SpecError as error:
            raise RunError(f"{self.path / 'run.json'}: damaged; {error}") from None
        return settings

    def log(self) -> list[dict[str, Any]]:
        """Return the rows of ``log.jsonl`` with losses; accuracies are from 0 to 1.

        Lines that are damaged or cut short by a crash are left out.
        """
        return [row for row in self.rows() if has_losses(row)]

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of ``log.jsonl``: losses, accuracies, scores and warnings."""
        return read_log(self.path)

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return list_checkpoints(self.path)

    def checkpoint(self, which: int | str = LAST) -> Checkpoint:
        """Read a checkpoint: the ``"last"``, the ``"best"``, or that of a step.

        Raises:
            RunError: it does not exist, is damaged, or has another spec than the run.
        """
        checkpoint = self._read(which)
        allowed = self.record.allowed_changes
        for path, (was, now) in differences(checkpoint.spec, self.spec).items():
            if not any(covers(field, path) for field in allowed):
                raise RunError(
                    f"{checkpoint.path}: it has another spec than spec.toml: {path} is "
                    f"{shown(now)} there, {shown(was)} in the checkpoint."
                )
        return checkpoint

    def _read(self, which: int | str) -> Checkpoint:
        """Read a checkpoint; a training may replace the last and the best one at any time."""
        for attempt in range(ATTEMPTS):
            try:
                run = self._open_again() if attempt else self
                path = run._path_of(which)
                return read_checkpoint(path)
            except RunError:
                is_replaced = which in (LAST, BEST) and is_locked(self.path) is not False
                if not is_replaced or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _open_again(self) -> Self:
        try:
            return replace(self, record=read_record(self.path))
        except OSError as error:
            reason = error.strerror or error
            raise RunError(f"{self.path}: cannot be read ({reason}).") from None

    def _path_of(self, which: int | str) -> Path:
        paths = self.checkpoints()
        if not paths:
            raise RunError(f"{self.path}: it has no checkpoint yet.")
        if which == LAST:
            return paths[-1]
        best = self.record.best
        if which == BEST and best is None:
            raise RunError(
                f"{self.path}: it has no best checkpoint; a training with --best METRIC keeps one."
            )
        step = best.step if which == BEST and best is not None else which
        if isinstance(step, str) and step.isdecimal() and len(step) < 20:
            step = int(step)
        known = {path: self._find_step(path) for path in paths}
        matches = [path for path in paths if known[path] == step]
        if not matches:
            steps = ", ".join(str(known[path]) for path in paths[-8:])
            raise RunError(f"{self.path}: it has no checkpoint {shown(step)}; its steps: {steps}.")
        return matches[0]

    def _find_step(self, path: Path) -> int:
        """Return the step of a checkpoint; a saved model has that of its record."""
        step = parse_step(path)
        return self.record.steps if step is None else step

    def samples(self) -> list[Path]:
        """Return the sample grids, oldest first."""
        return sorted(
            (self.path / "samples").glob("*.png"),
            key=lambda path: (self.sampled_at(path), path.name),
        )

    def sampled_at(self, samples: Path) -> int:
        """Return the step after which a sample grid was made, from its name."""
        kind, _, number = samples.stem.partition("-")
        step = int(number) if number.isdecimal() and len(number) < 20 else 0
        spans = [span for span in self.record.epochs if span.first_epoch < step]
        return spans[-1].step_of(step) if kind == "epoch" and spans else step

    def state(self, which: int | str = LAST) -> dict[str, np.ndarray]:
        """Return a checkpoint's state, by canonical name; see :meth:`checkpoint`."""
        return self.checkpoint(which).state
