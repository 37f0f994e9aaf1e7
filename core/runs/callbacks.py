"""Callbacks of every training: log, record, progress, and those of the registry."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.runs.config import Progress
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.runs.log import check_losses, is_logged
from gandem.core.runs.record import write_record
from gandem.core.runs.trainer import EVENTS, Callback, Trainer


class LogWriter(Callback):
    """Writes the log rows with losses, and ends a training whose losses are not finite."""

    order = 20

    def on_train_start(self, trainer: Trainer) -> None:
        """Note the last step that is logged already."""
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
        if trainer.timeline is not None:
            row |= trainer.timeline.describe(trainer.step - 1)
        row |= trainer.finite_losses()
        for name, value in trainer.inputs.scheduled(trainer.step - 1).items():
            row[name.removeprefix("schedule/")] = float(value)
        with report_memory_errors():
            for callback in trainer.callbacks:
                row |= callback.measure(trainer)
        row |= {"steps_per_second": trainer.steps_per_second, "seconds": trainer.seconds()}
        trainer.log(row)
        trainer.notify("on_log", MappingProxyType(row))
        check_losses(losses, trainer.step)


class RecordWriter(Callback):
    """Writes ``run.json`` when a training ends."""

    order = 60

    def on_train_end(self, trainer: Trainer) -> None:
        """Write it."""
        trainer.record = trainer.current_record()
        write_record(trainer.run_dir, trainer.record)


class ProgressReporter(Callback):
    """Calls a function with the training's :class:`Progress` after each step."""

    order = 200

    def __init__(self, show: Callable[[Progress], None]) -> None:
        self._show = show

    def on_step_end(self, trainer: Trainer) -> None:
        """Report progress."""
        self._show(trainer.progress())


class IsolatedCallback(Callback):
    """A plugin's callback; the first error it raises is reported and mutes it.

    Args:
        owner: how the report names it.
        notice: takes the report, one line.
    """

    def __init__(self, callback: Callback, owner: str, notice: Callable[[str], None]) -> None:
        self._callback, self._owner, self._notice = callback, owner, notice
        self._muted = False
        self.order = callback.order

    def _forward(self, event: str, *arguments: Any) -> None:
        if self._muted:
            return
        try:
            with stdout_to_stderr():
                getattr(self._callback, event)(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # third-party code may raise anything
            self._muted = True
            self._notice(
                f"{self._owner}: {event} raised {format_error(error)}; the callback is muted for "
                "the rest of this training."
            )


def _forwarding(event: str) -> Callable[..., None]:
    def forward(self: IsolatedCallback, *arguments: Any) -> None:
        self._forward(event, *arguments)

    forward.__doc__ = getattr(Callback, event).__doc__
    return forward


for _event in EVENTS:
    setattr(IsolatedCallback, _event, _forwarding(_event))


def load_callbacks(notice: Callable[[str], None]) -> list[Callback]:
    """Return a new callback of every entry of the registry that is installed.

    Args:
        notice: takes one line for each callback that cannot be created or fails later.
    """
    callbacks: list[Callback] = []
    for entry in registry().entries("callbacks"):
        if not is_installed(entry):
            continue
        try:
            with stdout_to_stderr():
                callback = import_target(entry)()
            if not isinstance(callback, Callback):
                raise TypeError(f"{entry.target} is no gandem.Callback.")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # third-party code may raise anything
            notice(f"The {entry.full_name} could not be created: {format_error(error)}")
            continue
        if "/" in entry.id:  # of a plugin
            callback = IsolatedCallback(callback, f"The {entry.full_name}", notice)
        callbacks.append(callback)
    return callbacks
