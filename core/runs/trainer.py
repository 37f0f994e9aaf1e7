"""The trainer, which runs the steps of one training, and the callbacks that it notifies.

Everything else is a callback: log, samples, checkpoints, diagnostics, evaluation, curves, progress.
Users pass their own to ``gandem.train(callbacks=[...])``; plugins add theirs through the hook
``gandem_callbacks``.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gandem.core.errors import RunError
from gandem.core.files import shorten_path
from gandem.core.runs.checkpoint import Checkpoint, read_metrics
from gandem.core.runs.config import Progress, Settings
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.runs.log import FILE_NAME, DivergedError, append_row
from gandem.core.runs.record import RunRecord, State
from gandem.core.training import Engine, Feed, MultiStep, Prefetcher, have_equal_shapes
from gandem.core.training.stages.timeline import format_stage

WARM_UP_STEPS = 100
"""Steps before several steps are made in one call, which the backend compiles separately."""


@dataclass(frozen=True, slots=True)
class WrittenCheckpoint:
    """A checkpoint that is on disk, and the newest sample grid, if there is one."""

    step: int
    path: Path
    samples: Path | None


class Callback:
    """Base class of callbacks; every method does nothing.

    All methods are called on the thread that trains, which waits for them. They may read everything
    of the :class:`Trainer`, and must not change its engine or inputs. An
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
            row: ``step``, ``epoch``, the losses, accuracies from 0 to 1, the values of schedules
                by their paths, ``steps_per_second``, ``seconds``; a loss that is not finite is
                None. Read-only.
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


class Trainer:
    """One training, from the start or from a checkpoint.

    Args:
        inputs: gives the inputs of each step.
        record: the contents of ``run.json``; see :meth:`current_record`.
        notice: takes one line of text for the user.
        clock: the start of the call, in seconds of ``time.perf_counter``, later by the time that
            the framework took to start.

    Attributes:
        spec: the GAN's spec; its digest is ``record.spec_digest``.
        run_dir: the run's folder.
        step: steps made; ``first_step`` of them before this training, ``total_steps`` in the end.
        losses: the last that were read, by name.
        accuracy: the discriminator's, after a step at which it was measured, else None.
        timeline: the stages of the training; None if there are none.
        scores: after a step at which the generator was scored, else empty; ``protocol`` says how.
        last_row: the row that was last added to the log.
        warnings: what diagnostics reported, oldest first.
        state: ``"running"``, then how the training ended.
        steps_per_second: of the current stage, without its first step, which compiles.
        waited, stepped: seconds that the last step waited for its inputs, and took.
    """

    def __init__(
        self,
        inputs: Feed,
        engine: Engine,
        run_dir: Path,
        record: RunRecord,
        settings: Settings,
        callbacks: Iterable[Callback],
        notice: Callable[[str], None],
        clock: float,
    ) -> None:
        self.spec, self.inputs, self.engine = inputs.spec, inputs, engine
        self.timeline = inputs.timeline
        self.run_dir, self.record, self.settings = run_dir, record, settings
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        self.notice = notice
        self.state: State = "running"
        self.resumed_from: Checkpoint | None = None
        self.resumed = False
        self.losses: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.accuracy: dict[str, Any] | None = None
        self.protocol: Mapping[str, Any] | None = None
        self.warnings: list[Mapping[str, Any]] = []
        self.last_row: Mapping[str, Any] = {}
        self.step = self.first_step = self.total_steps = 0
        self.steps_per_second = self.waited = self.stepped = 0.0
        self.error = ""
        self._clock, self._seconds_before = clock, 0.0
        self._started = time.perf_counter()
        self._rate_step, self._rate_began = 0, 0.0
        self._losses_step = self._log_size = 0
        self._steps_per_call = engine.steps_per_call if isinstance(engine, MultiStep) else 1
        began = time.perf_counter()
        self.notify("prepare")
        self._seconds_preparing = time.perf_counter() - began

    def resume(self, checkpoint: Checkpoint | None, seconds: float) -> None:
        """Continue from a checkpoint, or from step 0, after so many seconds of training."""
        self.resumed, self.resumed_from, self._seconds_before = True, checkpoint, seconds
        if checkpoint is not None:
            self.step = self.first_step = self._losses_step = checkpoint.step
            self.losses = read_metrics(checkpoint.header, self.spec)

    def run(self, total: int, stop: threading.Event) -> None:
        """Train to ``total`` steps, or until asked to stop.

        Raises:
            RunError: the training diverged, or something could not be written.
        """
        self.total_steps = total
        self._started = time.perf_counter() - self._seconds_preparing
        self._prefetched = Prefetcher(self.inputs, total, depth=2 * self._steps_per_call)
        try:
            self.notify("on_train_start")
            while self.step < total and not stop.is_set():
                self._make_step()
            self.notify("on_last_step")
        except BaseException as error:
            self._end(error)
            if isinstance(error, DivergedError):
                place = shorten_path(self.run_dir)
                raise RunError(f"{place}: training diverged, {error}.") from None
            raise
        self._end(None)

    def notify(self, event: str, *arguments: Any) -> None:
        """Call one method of every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self, *arguments)

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row to the log; report rows that were removed from it during the training."""
        path = self.run_dir / FILE_NAME
        size = path.stat().st_size if path.exists() else 0
        if size < self._log_size:
            place = shorten_path(path)
            self.notice(f"{place}: it was removed or cut; rows before step {row['step']} are lost.")
        self._log_size, self.last_row = append_row(self.run_dir, row), row

    def warn(self, warning: Mapping[str, Any]) -> None:
        """Log a warning of the diagnostics and notify callbacks."""
        self.log(warning)
        self.warnings.append(warning)
        self.notify("on_warning", MappingProxyType(dict(warning)))

    def read_losses(self) -> dict[str, float]:
        """Return the losses of the last step, read from the device once."""
        if self._losses_step < self.step:
            self.losses, self._losses_step = self.engine.read(self._scalars), self.step
            if self._rate_began and self.step > self._rate_step:
                seconds = time.perf_counter() - self._rate_began
                self.steps_per_second = round((self.step - self._rate_step) / seconds, 3)
        return self.losses

    def finite_losses(self) -> dict[str, float | None]:
        """Return the losses as JSON can hold them: None for one that is not finite."""
        return {n: value if math.isfinite(value) else None for n, value in self.losses.items()}

    def epochs_done(self, step: int) -> int:
        """Return the number of epochs that end with or before a step."""
        return self.inputs.epochs.epochs_done(step)

    def ends_epoch(self, step: int) -> bool:
        """Return True if an epoch ends with this step."""
        return self.is_due(step, 1)

    def is_due(self, step: int, every: int) -> bool:
        """Return True if so many epochs, 0 for never, have ended with a step."""
        done = self.epochs_done
        return step > 0 and bool(every) and done(step) // every > done(step - 1) // every

    def begins_stage(self, step: int) -> bool:
        """Return True if a step, counted from 0, is the first of a stage."""
        return self.timeline is not None and self.timeline.begins_stage(step)

    def seconds(self) -> float:
        """Return the seconds of training so far, those before a resume included."""
        return round(self._seconds_before + time.perf_counter() - self._started, 3)

    def progress(self) -> Progress:
        """Return the progress of the training."""
        scores, rate = self.scores or None, self.steps_per_second
        progress = Progress(self.step, self.total_steps, self.losses, rate, self.accuracy, scores)
        if self.timeline is None:
            return progress
        left = self.timeline.scale_steps(self.step, self.total_steps)
        stage = format_stage(self.spec, self.timeline.describe(self.step - 1))
        return replace(progress, seconds_left=left / rate if rate else None, stage=stage)

    def current_record(self, state: State | None = None) -> RunRecord:
        """Return the current contents of ``run.json``."""
        record = replace(
            self.record,
            state=state or self.state,
            steps=self.step,
            seconds=self.seconds(),
            steps_per_second=self.steps_per_second or self.record.steps_per_second,
            losses=self.finite_losses(),
            peak_memory=_peak_memory(),
        )
        for callback in self.callbacks:
            record = callback.update_record(self, record)
        return record

    def _make_step(self) -> None:
        """Make a step, or several in one call, and notify callbacks."""
        began = time.perf_counter()
        with report_memory_errors():
            inputs = [self._prefetched(self.step + i) for i in range(self._steps_now())]
            if self.step == self.first_step:
                self._note_start()
            ready = time.perf_counter()
            self.notify("on_step_start")
            stepping = time.perf_counter()
            if len(inputs) > 1 and have_equal_shapes(inputs):
                assert isinstance(self.engine, MultiStep)
                self._scalars = self.engine.steps(inputs)
            else:
                for step_inputs in inputs:
                    self._scalars = self.engine.step(step_inputs)
        self.waited, self.stepped = ready - began, time.perf_counter() - stepping
        self.step += len(inputs)
        if self.step == self.first_step + 1 or self.begins_stage(self.step - 1):
            self.read_losses()
            self._rate_step = self.step
            self._rate_began = time.perf_counter()  # the first step compiles
        self.accuracy, self.scores = None, {}
        self.notify("on_step_end")
        if self.ends_epoch(self.step):
            self.notify("on_epoch_end")

    def _steps_now(self) -> int:
        """Return how many steps to make in one call: several if no callback needs one between."""
        last = self.step + self._steps_per_call
        if self._steps_per_call == 1 or self.step < self.first_step + WARM_UP_STEPS:
            return 1
        if last > self.total_steps:
            return 1
        for step in range(self.step + 1, last):
            if any(callback.needs_step(self, step) for callback in self.callbacks):
                return 1
        return self._steps_per_call

    def _note_start(self) -> None:
        seconds = round(time.perf_counter() - self._clock, 3)
        segment = replace(self.record.segments[-1], seconds_to_first_step=seconds)
        self.record = replace(
            self.record,
            seconds_to_first_step=seconds,
            segments=(*self.record.segments[:-1], segment),
        )

    def _end(self, error: BaseException | None) -> None:
        """Notify every callback of the end; raise the first error, unless one is raised already."""
        self._prefetched.close()
        self.state = "finished" if self.step == self.total_steps else "interrupted"
        if isinstance(error, DivergedError):
            self.state, self.error = "diverged", str(error)
        elif error is not None:
            self.state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        raised: BaseException | None = None
        for callback in self.callbacks:
            try:
                callback.on_train_end(self)
            except BaseException as late:
                if error is not None and not isinstance(late, RunError):
                    raise
                raised = raised or late
        if raised is not None and error is None:
            raise raised


def _peak_memory() -> int | None:
    """Return the peak memory of this process in bytes, if the system reports it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
