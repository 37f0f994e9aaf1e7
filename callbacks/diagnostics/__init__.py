"""Diagnostics of a training: measures its images and players, warns and suggests a fix.

The conditions and their rules are in docs/reading-the-losses.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gandem.callbacks.diagnostics.monitor import Monitor
from gandem.callbacks.diagnostics.probe import Probe
from gandem.callbacks.diagnostics.suggestions import format_warning
from gandem.core.errors import RunError
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.runs.log import read_log
from gandem.core.runs.record import RunRecord
from gandem.core.runs.trainer import Callback, Trainer

__all__ = ["Diagnostics"]


class Diagnostics(Callback):
    """Measures the training on a fixed batch, reads its log, and warns.

    It draws none of the training's random numbers, so a training takes the same steps with and
    without it.
    """

    order = 10

    def prepare(self, trainer: Trainer) -> None:
        """Draw the fixed batch."""
        self.probe = Probe(trainer.inputs, trainer.engine, trainer.settings.log_every)
        self.monitor = Monitor(trainer.spec, trainer.inputs.loss)

    def on_train_start(self, trainer: Trainer) -> None:
        """Read the log of the steps made before."""
        for row in read_log(trainer.run_dir) if trainer.resumed_from is not None else ():
            self.monitor.read(row)

    def needs_step(self, trainer: Trainer, step: int) -> bool:
        """Return True where weights before and after a step are compared: it is made alone."""
        return self.probe.compares_weights(step) or self.probe.compares_weights(step + 1)

    def on_step_start(self, trainer: Trainer) -> None:
        """Keep the weights if the step's change of them is measured."""
        self.probe.prepare(trainer.step + 1)

    def measure(self, trainer: Trainer) -> Mapping[str, Any]:
        """Return the variety of the images, and how far the weights moved."""
        return self.probe.measure(trainer.step)

    def on_step_end(self, trainer: Trainer) -> None:
        """Measure the discriminator's accuracy if it is due."""
        if not trainer.is_due(trainer.step, trainer.settings.accuracy_every):
            return
        epoch = trainer.epochs_done(trainer.step)
        with report_memory_errors():
            accuracy = self.probe.measure_accuracy()
        self._log(trainer, {"step": trainer.step, "epoch": epoch, "accuracy": accuracy})
        trainer.accuracy = {"epoch": epoch, **accuracy}

    def on_log(self, trainer: Trainer, row: Mapping[str, Any]) -> None:
        """Read the row, and warn of what begins or ends with it."""
        for warning in self.monitor.read(row):
            self._warn(trainer, warning)

    def on_evaluate(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        """Read the row of the scores, and warn of what begins or ends with it."""
        self.on_log(trainer, trainer.last_row)

    def on_train_end(self, trainer: Trainer) -> None:
        """Add the warning that the training diverged."""
        if trainer.state == "diverged":
            with contextlib.suppress(RunError):  # of two errors the first is shown
                self._log(trainer, self.monitor.diverged(trainer.step, trainer.error))

    def update_record(self, trainer: Trainer, record: RunRecord) -> RunRecord:
        """Record the verdict, the warnings and the accuracy."""
        return replace(record, health=self.monitor.report())

    def _log(self, trainer: Trainer, row: Mapping[str, Any]) -> None:
        trainer.log(row)
        self.on_log(trainer, row)

    def _warn(self, trainer: Trainer, warning: Mapping[str, Any]) -> None:
        trainer.warn(warning)
        trainer.notice(format_warning(warning))
