"""Training from a spec to a run, and going on with one: everything is checked before a folder is
made or changed, and Ctrl-C keeps what was done.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gandem.commands.doctor_ import machine
from gandem.core.errors import DataError, RunError
from gandem.core.fields import encode
from gandem.core.files import write_json
from gandem.core.plugins.hookspecs import RunInfo
from gandem.core.plugins.registry import (
    LAYERS,
    find_backend,
    find_extractor,
    find_model,
    load_backend,
    load_dataset,
    load_loss,
    load_spec,
    registry,
)
from gandem.core.rng import fingerprint
from gandem.core.runs.callbacks import Watching
from gandem.core.runs.config import Progress, Settings, check_total
from gandem.core.runs.memory import keep_freed_memory
from gandem.core.runs.resume import Found, check_changes, clear_ahead, keep_log, newest_good
from gandem.core.runs.run import Run, open_run, pick_device
from gandem.core.runs.run_dir import begin, check_out, hold
from gandem.core.runs.sampling import enough_memory
from gandem.core.runs.trainer import Loop
from gandem.core.signals import stop_when_asked
from gandem.core.specs import Spec, change, digest
from gandem.core.training import Feed, Resident, check_able, check_state, forms_of, initial_state
from gandem.metrics.evaluation import usual_extractor

__all__ = ["Work", "resume", "train"]

KEPT = ("started", "best", "evaluation", "steps_per_second", "seconds_to_first_step")
"""Facts that a run which goes on keeps until there are newer ones."""

RESIDENT = 2 << 30
"""Bytes of images up to which they are kept on a GPU."""

Notice = Callable[[str], None]


def train(
    model: str | os.PathLike[str] | Spec,
    *,
    settings: Settings | None = None,
    changes: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    progress: Callable[[Progress], None] | None = None,
    notice: Notice | None = None,
    **more: Any,
) -> Run:
    """Train a GAN and return its run.

    Args:
        model: a model's name, a path to a spec, or a spec.
        settings: see :class:`Settings`; its fields can also be given as keywords,
            ``backend="keras"``.
        changes: fields of the spec, or parameters of the model, ``{"latent": 64}``.
        out: the run's folder; left out, the next free name under ``runs/``.
        progress: called after every step, or after several that were made in one call.
        notice: called with what deserves a word and is no error; left out, a warning.

    Raises:
        GandemError: something was not right; nothing has been written.
    """
    clock = time.perf_counter()
    settings = replace(settings or Settings(), **more)
    folder = Path(out) if out is not None else None
    if isinstance(model, Spec):
        spec = change(model, changes or {}, layers=LAYERS)
    else:
        spec = load_spec(model, changes)
    row = None if isinstance(model, Spec) else find_model(model)
    told, settings = settings, settings.with_recipe(row)
    find_backend(settings.backend)  # a slip shall not wait for the data
    if folder is not None:
        check_out(folder)
    try:
        work = Work(spec, settings, clock, notice)
    except DataError as error:
        if told.data is not None or settings.data == "digits":
            raise
        hint = "" if "--data digits" in str(error) else " Digits come with gandem: --data digits."
        raise DataError(f"{error}{hint}") from None
    if row and row.classes and told.data is not None and told.classes is None:
        chosen = ",".join(map(str, row.classes))
        work.notice(
            f"{row.id} takes the classes {chosen} of {row.data}; of {told.data} it now takes all. "
            f"Choose with --classes {chosen}."
        )
    work.start(initial_state(spec, settings.seed, settings.precision))
    facts = work.facts()
    with stop_when_asked() as stop:
        claim = begin(spec, facts, folder)
        loop = None
        try:
            loop = work.loop(claim.folder, facts)
            loop.run(work.total, stop, progress)
        except BaseException:
            if loop is None or loop.steps == 0:
                claim.take_back()
            raise
        finally:
            claim.release()
    return open_run(claim.folder)


def resume(
    run: Run | Path | str,
    *,
    backend: str | None = None,
    device: str | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    data: str | None = None,
    data_dir: Path | str | None = None,
    allow_changed: Collection[str] = (),
    progress: Callable[[Progress], None] | None = None,
    notice: Notice | None = None,
) -> Run:
    """Go on with a run from its newest good checkpoint, to its end or to a new total.

    On the same backend the outcome is, bit for bit, that of a training which was never
    interrupted.  Another backend takes the run over, exactly as it was.

    Args:
        run: a run, or its folder.
        backend: the backend to go on with; left out, the run's own.
        device: likewise.
        steps: the new total of steps.
        epochs: the new total of epochs, instead of steps.
        data: where the same data is now, if that has changed.
        data_dir: likewise.
        allow_changed: fields of the spec that may differ from those of the checkpoint, or
            ``"data"``; anything else that differs is refused.
        progress: called after every step, or after several that were made in one call.
        notice: called with what deserves a word and is no error, like a damaged checkpoint that
            was passed over; left out, a warning.

    Returns:
        The run, opened again; as it was, where nothing was left to do.

    Raises:
        GandemError: the run cannot go on; it is as it was.
    """
    clock = time.perf_counter()
    check_total(epochs, steps)
    folder = run.path if isinstance(run, Run) else Path(run)
    open_run(folder)  # no lock is left in what is no run
    with hold(folder):
        run = open_run(folder)
        found = newest_good(run)
        asked: dict[str, Any] = {"backend": backend, "device": device, "data": data}
        asked["data_dir"] = data_dir
        settings = replace(run.settings(), **{k: v for k, v in asked.items() if v is not None})
        if steps or epochs:
            settings = replace(settings, steps=steps, epochs=epochs)
        try:
            work = Work(run.spec, settings, clock, notice)
        except DataError as error:
            if data or data_dir:
                raise
            raise DataError(f"{error} If the data has moved, say where with --data.") from None
        changed = check_changes(run, found, work.dataset, allow_changed)
        if work.is_done(run, found):
            return run
        work.start(_state_of(run, found, settings), resumed=found.step > 0)
        for note in (*found.notes, *work.other_numbers(run, found)):
            work.notice(note)
        facts = work.facts(run, found, changed, allow_changed)
        loop = work.loop(folder, facts, found.step)  # what cannot be scored is found out here
        clear_ahead(run, found, work.feed.epochs_done(found.step))
        ends = found.step == work.total
        seconds = keep_log(run, found.step, settings.log_every, ends=ends)
        write_json(folder / "run.json", facts)
        loop.go_on(found.checkpoint, seconds, work.total)
        with stop_when_asked() as stop:
            loop.run(work.total, stop, progress)
    return open_run(folder)


def _state_of(run: Run, found: Found, settings: Settings) -> dict[str, np.ndarray]:
    """Return the state to go on from, if it still fits the spec."""
    if found.checkpoint is None:
        return initial_state(run.spec, settings.seed, settings.precision)
    state = found.checkpoint.state
    try:
        check_state(run.spec, forms_of(state))
    except RunError as error:
        raise RunError(f"{found.checkpoint.path}: {error}") from None
    return state


def _program() -> str:
    """Return what this process was started with, as people type it."""
    return "gandem" if Path(sys.argv[0]).name in ("__main__.py", "gandem") else sys.argv[0]


class Work:
    """What a training needs, gathered and checked before anything is written."""

    def __init__(self, spec: Spec, settings: Settings, clock: float, notice: Notice | None) -> None:
        self.spec, self.settings, self.clock = spec, settings, clock
        settings.best_of(spec)  # a slip shall not wait for the data
        if settings.evaluate_every and settings.extractor:
            find_extractor(settings.extractor)
        self.notice = notice or (lambda text: warnings.warn(text, stacklevel=4))
        self.dataset = load_dataset(
            settings.data or "digits", settings.data_dir or None, spec.image.shape, settings.classes
        )
        for note in self.dataset.notes:
            self.notice(note)
        if settings.evaluate_every and settings.extractor is None:  # settled once, for good
            usual = usual_extractor(self.dataset.name)
            self.settings = settings = replace(settings, extractor=usual)
        loss = load_loss(spec.loss)
        self.feed = Feed(
            spec,
            loss,
            self.dataset,
            settings.seed,
            settings.precision,
            randomness=settings.randomness,
        )
        epochs = settings.epochs or spec.training.epochs
        self.total = settings.steps or self.feed.steps_for(epochs)

    def start(self, state: Mapping[str, np.ndarray], *, resumed: bool = False) -> None:
        """Start the framework and build the engine."""
        begun = time.perf_counter()
        settings = self.settings
        backend = load_backend(settings.backend)
        check_able(
            settings.backend,
            backend,
            self.spec,
            settings.precision,
            resumed=resumed,
            randomness=settings.randomness,
        )
        self.device = pick_device(backend.devices(), settings.device)
        self.clock += time.perf_counter() - begun
        self.versions = backend.versions() | {"numpy": np.__version__}
        keep_freed_memory()
        with enough_memory():
            self.engine = backend.engine(
                self.spec, state, precision=settings.precision, device=self.device
            )
            self._settle()

    def _settle(self) -> None:
        """Move the data to a device that is not where they lie; on the CPU the thread that draws
        ahead brings a step's images just as well.
        """
        held = self.feed.bytes_and_values()
        if self.device == "cpu" or held is None or not isinstance(self.engine, Resident):
            return
        if held[0].nbytes <= RESIDENT:
            self.engine.hold(*held)
            self.feed.resident = True

    def other_numbers(self, run: Run, found: Found) -> list[str]:
        """Return a sentence where a run goes on with random numbers that are not those it would
        have had.
        """
        was = tuple(map(str, (run.facts["backend"], run.facts.get("device"))))
        now = (registry().find("backends", self.settings.backend).id, self.device)
        if self.settings.randomness == "portable" or found.step == 0 or was == now:
            return []
        return [
            f"{run.path}: its random numbers are the device's own (--randomness device); from step "
            f"{found.step} on they are those of {' on '.join(now)}, not of {' on '.join(was)}."
        ]

    def is_done(self, run: Run, found: Found) -> bool:
        """Say whether nothing is left to do.

        Raises:
            RunError: the total lies behind.
        """
        if self.total < found.step:
            raise RunError(
                f"{run.path}: it has made {found.step} steps already, a total of {self.total} lies "
                "behind; give a larger one."
            )
        return self.total == found.step and run.facts.get("state") == "finished"

    def facts(
        self,
        run: Run | None = None,
        found: Found | None = None,
        changed: Mapping[str, Any] | None = None,
        allowed: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return the facts of a new run, or of a run that goes on."""
        from importlib.metadata import version

        spec, settings, dataset = self.spec, self.settings, self.dataset
        segment = {
            "first_step": found.step if found else 0,
            "backend": registry().find("backends", settings.backend).id,
            "device": self.device,
            "machine": machine(),
            "versions": self.versions,
            "gandem": version("gandem"),
            "command": shlex.join((_program(), *sys.argv[1:])),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        old = run.facts if run else {"started": segment["started"], "segments": []}
        notes = {"notes": found.notes} if found and found.notes else {}
        news = {"changed": dict(changed)} if changed else {}
        before = _list(old, "segments")
        return {
            "format": 1,
            "model": spec.name,
            "spec_digest": digest(spec),
            "seed": settings.seed,
            "precision": settings.precision,
            "data": {
                "name": dataset.name,
                "digest": dataset.digest,
                "count": len(dataset.images),
                "source": dataset.source,
                "license": dataset.license,
                "class_names": list(dataset.class_names),
            },
            "steps_planned": self.total,
            "batches_per_epoch": self.feed.batches_per_epoch,
            "stream": fingerprint(),
            "settings": encode(settings),
            "state": "running",
            **{name: said for name, said in segment.items() if name != "first_step"},
            **{name: old[name] for name in KEPT if name in old},
            "steps": segment["first_step"],
            "allowed_changes": sorted({*_list(old, "allowed_changes"), *allowed}),
            "segments": [*before, segment | notes | news],
        }

    def loop(
        self, folder: Path, facts: dict[str, Any], first: int = 0, kind: type[Loop] = Loop
    ) -> Loop:
        """Return the training itself, of a kind of its own where somebody wants to watch."""
        info = RunInfo(
            path=folder,
            model=self.spec.name,
            backend=facts["backend"],
            device=self.device,
            precision=self.settings.precision,
            seed=self.settings.seed,
            data=self.dataset.name,
            first_step=first,
            steps=self.total,
            log_every=self.settings.log_every,
        )
        watching = Watching(info, registry().watchers, self.notice)
        return kind(self.feed, self.engine, folder, facts, self.settings, watching, self.clock)


def _list(facts: Mapping[str, Any], name: str) -> list[Any]:
    found = facts.get(name)
    return found if isinstance(found, list) else []
