"""The log of a run, ``log.jsonl``: one JSON object per line, always ordered by step.

Rows with losses are written every ``log_every`` steps; other rows hold the discriminator's accuracy
(``judged``), scores (``scores``) or a warning (``health``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gandem.core.files import append_line
from gandem.core.runs.callbacks import Callback
from gandem.core.runs.sampling import report_memory_errors

if TYPE_CHECKING:
    from gandem.core.runs.trainer import Trainer

__all__ = [
    "REMEDY",
    "DivergedError",
    "LogWriter",
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


class LogWriter(Callback):
    """Writes the rows with losses, and ends a training whose losses are not finite."""

    order = 20

    def on_train_start(self, trainer: Trainer) -> None:
        """Start after what is logged already."""
        self._last = trainer.step

    def needs_step(self, trainer: Trainer, step: int) -> bool:
        """Return True if the step is logged."""
        return is_logged(step, trainer.settings.log_every)

    def on_step_end(self, trainer: Trainer) -> None:
        """Write a row if one is due."""
        if self.needs_step(trainer, trainer.step) or trainer.step == trainer.total_steps:
            self._write(trainer)

    def on_last_step(self, trainer: Trainer) -> None:
        """Write the row of the last step."""
        if self._last < trainer.step:
            self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        losses = trainer.read_losses()
        self._last = trainer.step
        row: dict[str, Any] = {
            "step": trainer.step,
            "epoch": trainer.epochs_done(trainer.step - 1) + 1,
        }
        row |= trainer.finite_losses()
        with report_memory_errors():
            for callback in trainer.callbacks:
                row |= callback.measure(trainer)
        row |= {"steps_per_second": trainer.steps_per_second, "seconds": trainer.seconds()}
        append_row(trainer.run_dir, row)
        trainer.notify("on_log", MappingProxyType(row))
        check_losses(losses, trainer.step)
