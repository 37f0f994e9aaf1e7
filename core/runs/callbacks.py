"""Callbacks: objects that a training notifies of what happens.

Everything that a training does besides its steps is a callback: log, samples, checkpoints,
diagnostics, evaluation, curves, progress. Users pass their own to
``gandem.train(callbacks=[...])``; plugins add theirs through the hook ``gandem_callbacks``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.runs.config import Progress

if TYPE_CHECKING:
    from gandem.core.runs.checkpoint_writer import WrittenCheckpoint
    from gandem.core.runs.record import RunRecord
    from gandem.core.runs.trainer import Trainer

__all__ = ["EVENTS", "Callback", "IsolatedCallback", "ProgressReporter", "load_callbacks"]


class Callback:
    """Base class of callbacks; every method does nothing.

    All methods are called on the thread that trains, which waits for them. They may read everything
    of the :class:`~gandem.core.runs.trainer.Trainer`, and must not change its engine or inputs. An
    error ends the training, except in callbacks of plugins, which are muted instead. Callbacks are
    called in ascending ``order``.
    """

    order: int = 100

    def prepare(self, trainer: Trainer) -> None:
        """Check settings and set up, before anything is written; an error refuses to train."""

    def on_train_start(self, trainer: Trainer) -> None:
        """Run before the first step; ``trainer.resumed`` is True for a resumed run."""

    def on_step_start(self, trainer: Trainer) -> None:
        """Run before each step, or before several that are made in one call."""

    def on_step_end(self, trainer: Trainer) -> None:
        """Run after each step, or after several that were made in one call.

        ``trainer.losses`` are the last that were read; ``trainer.read_losses()`` reads those of
        this step.
        """

    def on_log(self, trainer: Trainer, row: Mapping[str, Any]) -> None:
        """Run after a row with losses was added to the log, every ``log_every`` steps.

        Args:
            row: ``step``, ``epoch``, the losses, accuracies from 0 to 1, ``steps_per_second``,
                ``seconds``; a loss that is not finite is None. Read-only.
        """

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Run after the step that ends an epoch."""

    def on_evaluate(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        """Run after the generator was scored, according to ``trainer.protocol``."""

    def on_warning(self, trainer: Trainer, warning: Mapping[str, Any]) -> None:
        """Run when a warning of the diagnostics begins or ends.

        Args:
            warning: the row of the log: ``health``, ``state``, ``because``, ``remedy``.
        """

    def on_checkpoint(self, trainer: Trainer, checkpoint: WrittenCheckpoint) -> None:
        """Run when a checkpoint is on disk, possibly a few steps after it was made."""

    def on_last_step(self, trainer: Trainer) -> None:
        """Run after the last step, also of an interrupted training; not after an error.

        Write what is not on disk yet.
        """

    def on_train_end(self, trainer: Trainer) -> None:
        """Run last, also after an error; a killed process runs nothing.

        ``trainer.state`` is ``"finished"``, ``"interrupted"``, ``"diverged"`` or ``"failed"``.
        """

    def measure(self, trainer: Trainer) -> Mapping[str, Any]:
        """Return values to add to the row of the log that is about to be written."""
        return {}

    def update_record(self, trainer: Trainer, record: RunRecord) -> RunRecord:
        """Return the record to write to ``run.json``, with the fields that the callback owns."""
        return record

    def needs_step(self, trainer: Trainer, step: int) -> bool:
        """Return True if no call of several steps may go past this step."""
        return False


EVENTS = (
    *("on_train_start", "on_step_end", "on_log", "on_epoch_end", "on_evaluate", "on_warning"),
    *("on_checkpoint", "on_train_end"),
)
"""The methods of a callback that plugins may provide."""


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
        notice: takes one line for each callback that cannot be made or fails later.
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
            notice(f"The {entry.full_name} cannot be made: {format_error(error)}")
            continue
        if "/" in entry.id:  # of a plugin
            callback = IsolatedCallback(callback, f"The {entry.full_name}", notice)
        callbacks.append(callback)
    return callbacks


class ProgressReporter(Callback):
    """Calls a function with the training's :class:`Progress` after each step."""

    order = 200

    def __init__(self, show: Callable[[Progress], None]) -> None:
        self._show = show

    def on_step_end(self, trainer: Trainer) -> None:
        """Report progress."""
        self._show(trainer.progress())
