"""Writes samples and checkpoints of a training on a thread of its own, in order.

At most one state waits to be written, so memory is bounded. An error in the thread is raised in the
training at its next step.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import save_image
from gandem.core.errors import RunError
from gandem.core.fields import encode
from gandem.core.files import flush_file, make_folder
from gandem.core.machine import lower_thread_priority
from gandem.core.runs.checkpoint import (
    checkpoint_path,
    list_checkpoints,
    read_header,
    read_metrics,
    read_scores,
    write_checkpoint,
)
from gandem.core.runs.config import Best
from gandem.core.runs.generation.sampling import MAX_COLUMNS, Images, default_count, sample
from gandem.core.runs.log import REMEDY, DivergedError, check_losses
from gandem.core.runs.record import BestCheckpoint, RunRecord, write_record
from gandem.core.runs.trainer import Callback, Trainer, WrittenCheckpoint
from gandem.core.specs import Image, Spec
from gandem.core.training import fixed_inputs

HEADER = ("model", "backend", "versions", "gandem", "stream", "data", "epochs")
"""Fields of the record that a checkpoint's header repeats."""


class WriterThread:
    """Writes samples and checkpoints into a run's folder, and removes old checkpoints.

    Args:
        keep: number of newest checkpoints to keep; 0 keeps all.
        best: the rule for the best checkpoint, which is kept too.
    """

    def __init__(self, folder: Path, spec: Spec, seed: int, keep: int, best: Best | None) -> None:
        self.folder, self.spec, self.seed, self.keep, self.rule = folder, spec, seed, keep, best
        self.best: BestCheckpoint | None = None
        self._thread = ThreadPoolExecutor(1, "gandem-writer", initializer=lower_thread_priority)
        self._jobs: deque[Future[WrittenCheckpoint | None]] = deque()
        self._samples: Path | None = None

    def find_best(self, competes: Callable[[int], bool]) -> None:
        """Find the best existing checkpoint, and remove those that a killed training left.

        Args:
            competes: returns True if the checkpoint of a step can become the best.
        """
        for path in list_checkpoints(self.folder) if self.rule else ():
            with contextlib.suppress(RunError):  # a damaged one cannot be the best
                header = read_header(path)
                if competes(header["step"]):
                    metrics = read_metrics(header, self.spec) | read_scores(header)
                    self.compare(header["step"], metrics)
        self._prune(self.best)

    def compare(self, step: int, metrics: Mapping[str, float]) -> None:
        """Mark a checkpoint as the best if it is better than the best so far."""
        value = metrics.get(self.rule.metric) if self.rule else None
        if self.rule is None or value is None:
            return
        if self.rule.is_better(value, self.best.value if self.best else None):
            self.best = BestCheckpoint(metric=self.rule.metric, value=value, step=step)

    def write_samples(self, name: str, images: Images, real: np.ndarray | None = None) -> None:
        """Write a sample grid; see :meth:`Images.grid`."""
        path = self._samples = self.folder / "samples" / name

        def job() -> None:
            make_folder(path.parent)
            save_image(path, images.grid(real))

        self._submit(job)

    def write_state(
        self,
        step: int,
        export: Callable[[], dict[str, np.ndarray]],
        record: RunRecord,
        header: dict[str, Any],
    ) -> None:
        """Write a checkpoint, then the run's record as it was at that step, and remove
        checkpoints that are not kept.

        Args:
            export: returns the state; called once the previous state is written.
        """
        self._wait()
        state, samples, best = export(), self._samples, self.best

        def job() -> WrittenCheckpoint:
            for name, value in state.items():
                if not np.isfinite(value).all():
                    raise DivergedError(f"{name} is no longer finite after step {step}; {REMEDY}")
            with contextlib.suppress(OSError):  # not worth a failure
                flush_file(self.folder / "log.jsonl")
            path = write_checkpoint(self.folder, step, state, self.spec, self.seed, header)
            write_record(self.folder, record)
            self._prune(best)
            return WrittenCheckpoint(step, path, samples)

        self._submit(job)

    def written(self, *, wait: bool = False) -> list[WrittenCheckpoint]:
        """Return the checkpoints written since the last call.

        Args:
            wait: wait until everything is written.

        Raises:
            RunError: something could not be written.
            DivergedError: a state was not finite; it has not been written.
        """
        if wait:
            self._wait()
        checkpoints = []
        while self._jobs and self._jobs[0].done():
            checkpoint = self._jobs.popleft().result()
            if checkpoint is not None:
                checkpoints.append(checkpoint)
        return checkpoints

    def close(self) -> None:
        """Write what is waiting, and stop the thread."""
        self._thread.shutdown()

    def _submit(self, job: Callable[[], WrittenCheckpoint | None]) -> None:
        previous = self._jobs[-1] if self._jobs else None

        def in_turn() -> WrittenCheckpoint | None:
            if previous is not None:
                previous.result()  # write no checkpoint after samples that failed
            return job()

        self._jobs.append(self._thread.submit(in_turn))

    def _wait(self) -> None:
        for job in self._jobs:
            job.exception()

    def _prune(self, best: BestCheckpoint | None) -> None:
        paths = list_checkpoints(self.folder)
        kept = set(paths[-self.keep :]) if self.keep else set(paths)
        if best is not None:
            kept.add(checkpoint_path(self.folder, best.step))
        for path in paths:
            if path not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()


class CheckpointWriter(Callback):
    """Writes samples and checkpoints at the end of each epoch, at chosen steps, and at the end."""

    order = 40

    def prepare(self, trainer: Trainer) -> None:
        """Draw the fixed inputs of the samples, and start the thread."""
        settings, spec = trainer.settings, trainer.spec
        seed, precision = trainer.inputs.seed, trainer.inputs.precision
        self._inputs = fixed_inputs(spec, seed, _sample_count(spec), precision)
        self.thread = WriterThread(
            trainer.run_dir, spec, settings.seed, settings.keep_last, settings.best_of(spec)
        )
        self._sampled = self._written = -1

    def on_train_start(self, trainer: Trainer) -> None:
        """Find what is on disk already; write first weights that cannot be drawn again."""
        self._saved_at = time.perf_counter()
        if trainer.record.origin is not None and not trainer.resumed:
            self._write(trainer, competes=False)
        if trainer.resumed_from is not None:
            self._written = trainer.step
        if trainer.resumed:
            if self._sample_path(trainer).exists():
                self._sampled = trainer.step
            total = trainer.total_steps
            self.thread.find_best(lambda step: self._is_regular(trainer, step) or step == total)

    def needs_step(self, trainer: Trainer, step: int) -> bool:
        """Return True if samples or a checkpoint are due."""
        return self._is_regular(trainer, step) or self._is_sampled(trainer, step)

    def on_step_end(self, trainer: Trainer) -> None:
        """Write what is due, and notify callbacks of checkpoints that are on disk."""
        step = trainer.step
        if self._is_sampled(trainer, step):
            self._sample(trainer)
        regular = self._is_regular(trainer, step)
        late = time.perf_counter() - self._saved_at > 60 * trainer.settings.checkpoint_minutes
        if step < trainer.total_steps and (regular or late):
            self._write(trainer, competes=regular)
        self._notify(trainer)

    def on_last_step(self, trainer: Trainer) -> None:
        """Write the last state, with samples."""
        step = trainer.step
        if self._sampled < step:
            self._sample(trainer)
        if self._written < step:
            competes = step == trainer.total_steps or self._is_regular(trainer, step)
            self._write(trainer, competes=competes)
        self._notify(trainer, wait=True)

    def on_train_end(self, trainer: Trainer) -> None:
        """Write what is waiting."""
        self.thread.close()

    def update_record(self, trainer: Trainer, record: RunRecord) -> RunRecord:
        """Record which checkpoint is the best."""
        return replace(record, best=self.thread.best)

    def _is_regular(self, trainer: Trainer, step: int) -> bool:
        """Return True if a checkpoint is due by its step alone; it can become the best."""
        return self._is_due(trainer, step, trainer.settings.checkpoint_steps)

    def _is_sampled(self, trainer: Trainer, step: int) -> bool:
        return self._is_due(trainer, step, trainer.settings.sample_steps)

    def _is_due(self, trainer: Trainer, step: int, interval: int | None) -> bool:
        """Return True at the end of an epoch and of a stage, and after so many steps."""
        ends = trainer.ends_epoch(step) or (step > 0 and trainer.begins_stage(step))
        return ends or bool(interval and step % interval == 0)

    def _sample_path(self, trainer: Trainer) -> Path:
        step, number = trainer.step, trainer.epochs_done(trainer.step)
        name = f"epoch-{number:04d}" if trainer.ends_epoch(step) else f"step-{step:06d}"
        return trainer.run_dir / "samples" / f"{name}.png"

    def _sample(self, trainer: Trainer) -> None:
        images = sample(trainer.spec, trainer.engine, self._inputs)
        is_points = images.images.ndim == 2
        real = trainer.inputs.dataset.images[: len(images.images)] if is_points else None
        self.thread.write_samples(self._sample_path(trainer).name, images, real)
        self._sampled = trainer.step

    def _write(self, trainer: Trainer, *, competes: bool) -> None:
        """Write the state; ``competes`` is True if it can become the best."""
        if trainer.step:
            check_losses(trainer.read_losses(), trainer.step)
        if competes:
            self.thread.compare(trainer.step, trainer.losses | trainer.scores)
        header = {name: encode(getattr(trainer.record, name)) for name in HEADER}
        header |= {"metrics": dict(trainer.losses)}
        header |= {"scores": trainer.scores} if trainer.scores else {}
        record = trainer.current_record("running")
        self.thread.write_state(trainer.step, trainer.engine.export, record, header)
        self._written, self._saved_at = trainer.step, time.perf_counter()

    def _notify(self, trainer: Trainer, *, wait: bool = False) -> None:
        for checkpoint in self.thread.written(wait=wait):
            trainer.notify("on_checkpoint", checkpoint)


def _sample_count(spec: Spec) -> int:
    groups = [n for n in (spec.classes, spec.latent.categories) if 0 < n <= MAX_COLUMNS]
    return 5 * groups[0] if groups and isinstance(spec.image, Image) else default_count(spec)
