"""Training from a spec to a run: everything is checked before the folder is made, and Ctrl-C keeps
what was done.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.datasets import Dataset
from gandem.core.errors import RunError, SpecError
from gandem.core.files import append_line, write_json
from gandem.core.images import save_image
from gandem.core.interrupts import stop_when_asked
from gandem.core.randomness import fingerprint
from gandem.core.registry import load_backend, load_dataset, load_objective, load_spec, registry
from gandem.core.runs.checkpoint import write_checkpoint
from gandem.core.runs.run import (
    COLUMNS,
    Run,
    begin,
    check_out,
    enough_memory,
    open_run,
    pick_device,
    sample,
)
from gandem.core.spec import Spec, change, digest
from gandem.core.training import Engine, Feed, fixed_inputs, initial_state

__all__ = ["Progress", "Settings", "train"]

CURE = "try a smaller learning rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training needs beside the spec.

    Attributes:
        backend: a backend's id.
        data: a data set's id, or ``id:argument``.
        classes: of a labelled set only these, renumbered from 0; empty for all.
        epochs: passes over the data; left out with steps, the spec's own.
        steps: training steps, instead of epochs.
        seed: of everything random.
        precision: ``"float32"`` or ``"float64"``.
        device: ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        data_dir: a folder with the files of a known data set.
        log_every: steps between two rows of the log.
    """

    backend: str = "torch"
    data: str = "digits"
    classes: tuple[int, ...] = ()
    epochs: int | None = None
    steps: int | None = None
    seed: int = 0
    precision: str = "float32"
    device: str = "auto"
    data_dir: Path | None = None
    log_every: int = 20

    def __post_init__(self) -> None:
        if self.epochs is not None and self.steps is not None:
            raise SpecError("Give epochs or steps, not both.")
        for name in ("epochs", "steps", "log_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SpecError(f"{name}: expected at least 1, received {value}.")
        if not 0 <= self.seed < 2**63:
            raise SpecError(f"seed: expected 0 to 2**63 - 1, received {self.seed}.")
        if self.precision not in ("float32", "float64"):
            raise SpecError(
                f"precision: expected 'float32' or 'float64', received {self.precision!r}."
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is: ``losses`` are the last read, ``rate`` is in steps per second."""

    step: int
    total: int
    losses: Mapping[str, float]
    rate: float


def train(
    model: str | os.PathLike[str] | Spec,
    *,
    settings: Settings | None = None,
    changes: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **more: Any,
) -> Run:
    """Train a GAN and return its run.

    Args:
        model: a model's name, a path to a spec, or a spec.
        settings: see :class:`Settings`; its fields can also be given as keywords,
            ``backend="keras"``.
        changes: fields of the spec, or parameters of the model, ``{"latent": 64}``.
        out: the run's folder; left out, the next free name under ``runs/``.
        progress: called after every step.

    Raises:
        GandemError: something was not right; nothing has been written.
    """
    settings = replace(settings or Settings(), **more)
    folder = Path(out) if out is not None else None
    if isinstance(model, Spec):
        spec = change(model, changes or {})
    else:
        spec = load_spec(model, changes)
    registry().find("backends", settings.backend)  # a slip shall not wait for the data
    if folder is not None:
        check_out(folder)
    dataset = load_dataset(settings.data, settings.data_dir)
    if settings.classes:
        dataset = dataset.only(settings.classes)
    objective = load_objective(spec.objective)
    feed = Feed(spec, objective, dataset, settings.seed, settings.precision)
    total = settings.steps or feed.steps_for(settings.epochs or spec.training.epochs)
    backend = load_backend(settings.backend)
    device = pick_device(backend.devices(), settings.device)
    with enough_memory():
        state = initial_state(spec, settings.seed, settings.precision)
        engine = backend.engine(spec, state, precision=settings.precision, device=device)
    facts = _facts(spec, settings, dataset, total) | {
        "device": device,
        "versions": backend.versions() | {"numpy": np.__version__},
    }
    with stop_when_asked() as stop:
        folder, take_back = begin(spec, facts, folder)
        training = _Training(spec, feed, engine, folder, facts, settings.log_every, progress)
        try:
            training.run(total, stop)
        except BaseException:
            if training.steps == 0:
                take_back()
            raise
    return open_run(folder)


class _Training:
    """One training under way."""

    def __init__(
        self,
        spec: Spec,
        feed: Feed,
        engine: Engine,
        folder: Path,
        facts: dict[str, Any],
        log_every: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.spec, self.feed, self.engine, self.folder = spec, feed, engine, folder
        self.facts, self.log_every = facts, log_every
        self.progress = progress or (lambda _: None)
        self.samples = fixed_inputs(spec, feed.seed, _sample_count(spec), feed.precision)
        self.losses: dict[str, float] = {}
        self.steps = self.logged = 0
        self.sampled = -1
        self.rate = 0.0

    def run(self, total: int, stop: threading.Event) -> None:
        """Train to ``total`` steps, or until asked to stop; the facts on disk say how it ended."""
        self.started = time.perf_counter()
        ended = "failed"
        try:
            while self.steps < total and not stop.is_set():
                self._step(total)
            self._finish()
            ended = "finished" if self.steps == total else "interrupted"
        except KeyboardInterrupt:
            ended = "interrupted"
            raise
        except _Diverged as error:
            ended = "diverged"
            raise RunError(f"{self.folder}: training diverged, {error}.") from None
        finally:
            self.facts |= {
                "state": ended,
                "steps": self.steps,
                "seconds": round(time.perf_counter() - self.started, 3),
                "steps_per_second": self.rate,
                "losses": _finite(self.losses),
            }
            with contextlib.suppress(RunError):
                write_json(self.folder / "run.json", self.facts)

    def _step(self, total: int) -> None:
        with enough_memory():
            self.scalars = self.engine.step(self.feed(self.steps))
        self.steps += 1
        if self.steps == 1 or self.steps % self.log_every == 0 or self.steps == total:
            self._log()
        if self.feed.epochs_done(self.steps) > self.feed.epochs_done(self.steps - 1):
            self._save_samples(f"epoch-{self.feed.epochs_done(self.steps):04d}.png")
        self.progress(Progress(self.steps, total, self.losses, self.rate))

    def _log(self) -> None:
        """Add a row to the log, and give up if a loss in it is no longer a number."""
        self.losses = self.engine.read(self.scalars)
        self.logged = self.steps
        now = time.perf_counter()
        if self.steps == 1:
            self.first = now  # the first step compiles: it says nothing about the rate
        else:
            self.rate = round((self.steps - 1) / (now - self.first), 3)
        row = {
            "step": self.steps,
            "epoch": self.feed.epochs_done(self.steps - 1) + 1,
            **_finite(self.losses),
            "steps_per_second": self.rate,
            "seconds": round(now - self.started, 3),
        }
        append_line(self.folder / "log.jsonl", json.dumps(row))
        for name, value in self.losses.items():
            if not math.isfinite(value):
                raise _Diverged(f"the {name} loss is {value} at step {self.steps}; {CURE}")

    def _finish(self) -> None:
        """Keep the weights, the last losses, and samples where no epoch has just ended."""
        if self.logged < self.steps:
            self._log()
        state = self.engine.export()
        for name, value in state.items():
            if not np.isfinite(value).all():
                raise _Diverged(f"{name} is no longer finite after step {self.steps}; {CURE}")
        keep = ("model", "backend", "versions", "data", "seed", "precision")
        facts = {name: self.facts[name] for name in keep} | {"losses": _finite(self.losses)}
        write_checkpoint(self.folder, self.steps, state, self.spec, facts)
        if self.sampled < self.steps:
            self._save_samples(f"step-{self.steps:08d}.png")

    def _save_samples(self, name: str) -> None:
        made = sample(self.spec, self.engine, self.samples)
        save_image(self.folder / "samples" / name, made.grid())
        self.sampled = self.steps


class _Diverged(Exception):
    """A loss or a weight is no longer a number."""


def _facts(spec: Spec, settings: Settings, dataset: Dataset, total: int) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "format": 1,
        "model": spec.name,
        "spec_digest": digest(spec),
        "backend": settings.backend,
        "seed": settings.seed,
        "precision": settings.precision,
        "data": {
            "name": dataset.name,
            "digest": dataset.digest,
            "count": len(dataset.images),
            "source": dataset.source,
            "licence": dataset.licence,
        },
        "steps_planned": total,
        "log_every": settings.log_every,
        "gandem": version("gandem"),
        "stream": fingerprint(),
        "command": shlex.join(sys.argv),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "state": "running",
        "steps": 0,
    }


def _sample_count(spec: Spec) -> int:
    return 5 * spec.classes if 0 < spec.classes <= COLUMNS else 25


def _finite(losses: Mapping[str, float]) -> dict[str, float | None]:
    """Return losses as JSON can hold them."""
    return {name: value if math.isfinite(value) else None for name, value in losses.items()}
