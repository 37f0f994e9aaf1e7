"""Keeping what a training makes: samples and checkpoints are written by a thread of their own, in
order, while the training goes on.

At most one state waits to be written, so that memory is bounded; what goes wrong in the thread is
raised in the training at its next step.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import save_image
from gandem.core.errors import RunError
from gandem.core.files import flush_file, make_folder, write_json
from gandem.core.runs.checkpoint import (
    checkpoint_path,
    checkpoints_in,
    metrics_of,
    read_checkpoint,
    scores_of,
    write_checkpoint,
)
from gandem.core.runs.config import Best
from gandem.core.runs.sampling import Images
from gandem.core.specs import Spec

__all__ = ["DivergedError", "Keeper", "Written"]

CURE = "try a smaller learning rate"


class DivergedError(Exception):
    """A loss or a weight is no longer a number."""


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint that has reached the disk, and the newest sample grid, if there is one."""

    step: int
    path: Path
    samples: Path | None


class Keeper:
    """Writes into a run's folder and keeps it tidy.

    Args:
        keep: the newest checkpoints to keep; 0 keeps all.
        best: what makes a checkpoint the best; the best one is kept too.
    """

    def __init__(self, folder: Path, spec: Spec, seed: int, keep: int, best: Best | None) -> None:
        self.folder, self.spec, self.seed, self.keep, self.rule = folder, spec, seed, keep, best
        self.best: dict[str, Any] | None = None
        self._thread = ThreadPoolExecutor(1, "gandem-keeper", initializer=_step_back)
        self._jobs: deque[Future[Written | None]] = deque()
        self._samples: Path | None = None

    def look_back(self, competes: Callable[[int], bool]) -> None:
        """Find the best of the checkpoints that are there already, and remove those that a killed
        training had no time to remove; ``competes`` says by its step whether one takes part.
        """
        for path in checkpoints_in(self.folder) if self.rule else ():
            with contextlib.suppress(RunError):  # a damaged one is nobody's best
                found = read_checkpoint(path)
                if competes(found.step):
                    self.compare(found.step, metrics_of(found) | scores_of(found))
        self._prune(self.best)

    def compare(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take note of a checkpoint that is better than the best so far."""
        value = metrics.get(self.rule.metric) if self.rule else None
        if self.rule is None or value is None:
            return
        if self.rule.beats(value, self.best["value"] if self.best else None):
            self.best = {"metric": self.rule.metric, "value": value, "step": step}

    def keep_samples(self, name: str, images: Images, real: np.ndarray | None = None) -> None:
        """Write a sample grid; see :meth:`Images.grid`."""
        path = self._samples = self.folder / "samples" / name

        def job() -> None:
            make_folder(path.parent)
            save_image(path, images.grid(real))

        self._submit(job)

    def keep_state(
        self,
        step: int,
        export: Callable[[], dict[str, np.ndarray]],
        facts: dict[str, Any],
        header: dict[str, Any],
    ) -> None:
        """Write a checkpoint, then the run's facts as they were at that step, and remove those that
        are not to be kept.

        Args:
            export: returns the state; called at once, but not before the last state is written.
        """
        self._wait()
        state, samples, best = export(), self._samples, self.best

        def job() -> Written:
            for name, value in state.items():
                if not np.isfinite(value).all():
                    raise DivergedError(f"{name} is no longer finite after step {step}; {CURE}")
            with contextlib.suppress(OSError):  # a log less safe than its checkpoint is no reason
                flush_file(self.folder / "log.jsonl")
            path = write_checkpoint(self.folder, step, state, self.spec, self.seed, header)
            write_json(self.folder / "run.json", facts | {"best": best})
            self._prune(best)
            return Written(step, path, samples)

        self._submit(job)

    def written(self, *, wait: bool = False) -> list[Written]:
        """Return the checkpoints written since the last call.

        Raises:
            RunError: something could not be written.
            DivergedError: a state was not finite; it has not been written.
        """
        if wait:
            self._wait()
        found = []
        while self._jobs and self._jobs[0].done():
            made = self._jobs.popleft().result()
            if made is not None:
                found.append(made)
        return found

    def close(self) -> None:
        """Finish what is being written."""
        self._thread.shutdown()

    def _submit(self, job: Callable[[], Written | None]) -> None:
        before = self._jobs[-1] if self._jobs else None

        def in_turn() -> Written | None:
            if before is not None:
                before.result()  # no checkpoint after samples that could not be written
            return job()

        self._jobs.append(self._thread.submit(in_turn))

    def _wait(self) -> None:
        for job in self._jobs:
            job.exception()

    def _prune(self, best: dict[str, Any] | None) -> None:
        found = checkpoints_in(self.folder)
        kept = set(found[-self.keep :]) if self.keep else set(found)
        if best is not None:
            kept.add(checkpoint_path(self.folder, best["step"]))
        for path in found:
            if path not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()


def _step_back() -> None:
    """Let this thread run where the training leaves a core idle: frameworks wait for the slowest of
    their threads, so that one which is held up for a moment holds up all.
    """
    with contextlib.suppress(AttributeError, OSError):  # of Linux, where a thread has a priority
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
