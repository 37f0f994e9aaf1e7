"""Where the time of a training step goes: a short real training with a stopwatch."""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gandem.core.errors import BackendError, RunError, SpecError
from gandem.core.fields import hints
from gandem.core.files import check_file
from gandem.core.runs.config import Settings, split_keywords
from gandem.core.runs.run_dir import create_run_dir
from gandem.core.runs.setup import Notice, TrainingSetup
from gandem.core.runs.trainer import Callback, Trainer
from gandem.core.specs import Spec, find_model, load_spec
from gandem.core.training import Tracer, initial_state

__all__ = ["Profile", "profile"]

STEPS = 100
"""Steps that are measured by default."""
TRACED_STEPS = 5
"""Steps after the measured ones that are traced; more make the file large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the time of a training step goes, in milliseconds per step.

    Attributes:
        batch_size: images in a batch; a step reads one for each update of the discriminator.
        steps: number of steps made; the first is not part of the figures, since it compiles.
        data_wait: waiting for the thread that draws the inputs.
        step: the step itself, until its losses can be read; the median.
        log: everything else: log, diagnostics, samples, checkpoints.
        first_step_seconds: the first step alone.
        peak_memory: bytes, of the process; None where the system does not tell.
    """

    model: str
    backend: str
    device: str
    precision: str
    data: str
    batch_size: int
    steps: int
    data_wait: float
    step: float
    log: float
    first_step_seconds: float
    peak_memory: int | None

    @property
    def total(self) -> float:
        """Milliseconds per step."""
        return self.data_wait + self.step + self.log

    @property
    def steps_per_second(self) -> float:
        """Steps per second at that pace."""
        return 1000 / self.total

    def to_data(self) -> dict[str, Any]:
        """Return the profile as plain data."""
        facts = {n: round(v, 4) if isinstance(v, float) else v for n, v in asdict(self).items()}
        rate = round(self.steps_per_second, 3)
        return facts | {"total": round(self.total, 4), "steps_per_second": rate}


class _Stopwatch(Callback):
    order = 0

    def __init__(self, steps: int, trace: Path | None, show: Callable[[int, int], None]) -> None:
        self.measured, self.path, self.show = steps, trace, show
        self.tracing = contextlib.ExitStack()
        self.waits: list[float] = []
        self.steps: list[float] = []
        self.first = self.began = self.ended = 0.0

    def needs_step(self, trainer: Trainer, step: int) -> bool:
        return True

    def on_step_start(self, trainer: Trainer) -> None:
        if trainer.step == self.measured and self.path is not None:
            self.ended = time.perf_counter()
            assert isinstance(trainer.engine, Tracer)
            self.tracing.enter_context(trainer.engine.trace(self.path))
        self.began = time.perf_counter()

    def on_step_end(self, trainer: Trainer) -> None:
        trainer.read_losses()  # waits for the device
        took = time.perf_counter() - self.began
        if trainer.step == 1:
            self.first, self.after_first = took, time.perf_counter()
        elif trainer.step <= self.measured:
            self.waits.append(trainer.waited)
            self.steps.append(took)
        self.show(trainer.step, trainer.total_steps)

    def on_last_step(self, trainer: Trainer) -> None:
        self.tracing.close()

    def on_train_end(self, trainer: Trainer) -> None:
        self.tracing.close()
        self.ended = self.ended or time.perf_counter()
        self.peak_memory = trainer.current_record().peak_memory


def profile(
    model: str | os.PathLike[str] | Spec,
    *,
    settings: Settings | None = None,
    changes: Mapping[str, Any] | None = None,
    trace: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
    notice: Notice | None = None,
    **more: Any,
) -> Profile:
    """Measure where the time of a training step goes, with a real training in a temporary folder.

    The losses of each step are read at once, so that a step's time is its own on a GPU too.

    Args:
        model: a model's name, a path to a spec, or a spec.
        settings: as for :func:`gandem.train`; 100 steps by default.
        changes: likewise.
        trace: where the framework writes its own profile of a few more steps.
        more: likewise.
        progress: called with the steps made and the total.
        notice: takes one line that is no error; by default a warning.

    Raises:
        GandemError: the model, the settings or the data cannot be used, or the backend writes no
            profile.
    """
    clock = time.perf_counter()
    settings, spec_changes = split_keywords(settings, changes, more)
    steps = STEPS if settings.steps is None else settings.steps
    if steps < 2:
        raise SpecError(f"steps: expected at least 2, since the first compiles; received {steps}.")
    trace = None if trace is None else Path(trace)
    if trace is not None:
        check_file(trace)
        if trace.exists():
            raise RunError(f"{trace}: expected a new file in a folder that exists.")
    settings = replace(settings, steps=steps if trace is None else steps + TRACED_STEPS)
    entry = find_model(model)
    spec = load_spec(entry or model, spec_changes, options=hints(Settings))
    settings = settings.with_recipe(entry)
    show = progress or (lambda done, total: None)
    setup = TrainingSetup(spec, settings, clock, notice)
    show(0, setup.total)
    setup.start(initial_state(spec, settings.seed, settings.precision))
    if trace is not None and not isinstance(setup.engine, Tracer):
        raise BackendError(f"Backend {settings.backend!r} writes no profile; leave --trace out.")
    stopwatch = _Stopwatch(steps, trace, show)
    with tempfile.TemporaryDirectory(prefix="gandem-profile-") as place:
        record = setup.record()
        lock = create_run_dir(spec, record, Path(place) / "run")
        try:
            setup.trainer(lock.folder, record, [stopwatch]).run(setup.total, threading.Event())
        finally:
            lock.release()
    whole = (stopwatch.ended - stopwatch.after_first) / (steps - 1)
    wait, step = statistics.fmean(stopwatch.waits), statistics.fmean(stopwatch.steps)
    return Profile(
        model=spec.name,
        backend=record.backend,
        device=setup.device,
        precision=settings.precision,
        data=setup.dataset.name,
        batch_size=spec.training.batch_size,
        steps=steps,
        data_wait=1000 * wait,
        step=1000 * statistics.median(stopwatch.steps),
        log=1000 * max(whole - wait - step, 0.0),
        first_step_seconds=stopwatch.first,
        peak_memory=stopwatch.peak_memory,
    )
