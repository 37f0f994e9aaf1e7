"""Train a spec; everything is checked before a folder is created or changed."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import default_extractor, load_dataset
from gandem.core.errors import DataError, GandemError, RunError, SpecError
from gandem.core.fields import hints
from gandem.core.files import check_folder
from gandem.core.machine import (
    check_memory,
    describe_command,
    describe_machine,
    keep_freed_memory,
)
from gandem.core.plugins.registry import require
from gandem.core.rng import fingerprint
from gandem.core.runs.callbacks import LogWriter, ProgressReporter, RecordWriter, load_callbacks
from gandem.core.runs.config import Progress, Settings, split_keywords
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.runs.record import DataRecord, RunRecord, Segment
from gandem.core.runs.run import Run, open_run, pick_device
from gandem.core.runs.run_dir import check_run_dir, create_run_dir
from gandem.core.runs.trainer import Callback, Trainer
from gandem.core.runs.transfer.name_map import read_name_map
from gandem.core.runs.transfer.source import read_source
from gandem.core.runs.transfer.transfer import Transfer, describe_origin
from gandem.core.signals import catch_stop_request
from gandem.core.specs import Spec, digest, find_model, freeze_layers, load_spec
from gandem.core.training import (
    ArithmeticReporter,
    DataHolder,
    check_capabilities,
    estimate_cost,
    find_backend,
    initial_state,
    load_backend,
    make_engine,
    make_feed,
    planned_memory,
    resolve_loss,
    set_threads,
)
from gandem.core.training.feed.epochs import EpochSpan

KEPT = ("started", "origin", "best", "evaluation", "steps_per_second", "seconds_to_first_step")
"""Fields of the record that a resumed run keeps until it has new values."""

MAX_RESIDENT_SIZE = 2 << 30
"""Bytes of images that are kept in the memory of a GPU."""

Notice = Callable[[str], None]


def train(
    model: str | os.PathLike[str] | Spec,
    *,
    settings: Settings | None = None,
    changes: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    start_from: Run | Path | str | None = None,
    freeze: Iterable[str] = (),
    name_map: Mapping[str, Any] | Path | str | None = None,
    callbacks: Iterable[Callback] = (),
    progress: Callable[[Progress], None] | None = None,
    notice: Notice | None = None,
    **more: Any,
) -> Run:
    """Train a GAN and return its run.

    Args:
        model: a model's name, a path to a spec, or a spec.
        settings: see :class:`Settings`.
        changes: fields of the spec, or parameters of the model, ``{"latent.size": 64}``.
        more: fields of the settings, ``backend="keras"``, and parameters of the model,
            ``latent=64``. A name of both, like ``epochs`` and ``classes``, is a setting.
        out: the run's folder; by default the next free name under ``runs/``.
        start_from: a run, or a ``.safetensors`` file, whose weights are the first ones; layers of
            another number of classes, and those that it does not have, get initial values. The
            optimizers start anew, and averaged weights from those that were loaded.
        freeze: layers whose weights stay as they are, ``"discriminator.conv2d"``; see
            :func:`gandem.core.specs.freeze_layers`.
        name_map: which arrays of the file are which of the spec, as a TOML file or its data; see
            ``docs/fine-tuning.md``.
        callbacks: notified during the training, besides those of gandem and of plugins.
        progress: called after every step, or after several that were made in one call.
        notice: called with one line that is not an error; by default it is a warning.

    Raises:
        GandemError: the training cannot start; nothing has been written.
    """
    clock = time.perf_counter()
    settings, spec_changes = split_keywords(settings, changes, more)
    folder = Path(out) if out is not None else None
    entry = find_model(model)
    spec = load_spec(entry or model, spec_changes, options=hints(Settings))
    if freeze:
        spec = freeze_layers(spec, [freeze] if isinstance(freeze, str) else freeze)
    if name_map is not None and start_from is None:
        raise SpecError("A name map is for the arrays of a file; choose the file with --from.")
    given, settings = settings, settings.with_recipe(entry)
    if folder is not None:
        check_run_dir(folder)
    check_folder(folder or Path("runs"))
    source = None if start_from is None else read_source(start_from)
    names = read_name_map(name_map)
    try:
        setup = TrainingSetup(spec, settings, clock, notice)
    except DataError as error:
        if given.data is not None or settings.data == "digits":
            raise
        hint = "" if "--data digits" in str(error) else " Digits come with gandem: --data digits."
        raise DataError(f"{error}{hint}") from None
    if entry and entry.classes and given.data is not None and given.classes is None:
        classes = ",".join(map(str, entry.classes))
        setup.notice(
            f"{entry.id} uses the classes {classes} of {entry.data} by default, and all classes of "
            f"{given.data}. Choose classes with --classes {classes}."
        )
    state, origin = initial_state(spec, settings.seed, settings.precision), None
    if source is not None:
        transfer = Transfer(spec, source, names, entry or model, spec_changes)
        state, origin = transfer.load(state)
        if note := describe_origin(origin):
            setup.notice(note)
    setup.start(state)
    record = replace(setup.record(), origin=origin)
    with catch_stop_request() as stop:
        lock = create_run_dir(spec, record, folder)
        trainer = None
        try:
            trainer = setup.trainer(lock.folder, record, callbacks, progress)
            trainer.run(setup.total, stop)
        except BaseException:
            if trainer is None or trainer.step == 0:
                lock.remove()
            raise
        finally:
            lock.release()
    return open_run(lock.given if lock.given.absolute() == lock.folder else lock.folder)


class TrainingSetup:
    """Everything that a training needs, prepared and checked before anything is written.

    Args:
        before: the epochs of a run that is resumed at a step.
    """

    def __init__(
        self,
        spec: Spec,
        settings: Settings,
        clock: float,
        notice: Notice | None,
        before: Iterable[EpochSpan] = (),
        step: int = 0,
    ) -> None:
        self.spec, self.settings, self.clock = spec, settings, clock
        # check names before reading the data, which may take a while
        settings.best_of(spec)
        self.loss = resolve_loss(spec)
        self.backend_entry = find_backend(settings.backend)
        if settings.evaluate_every and settings.extractor:
            require("extractors", settings.extractor.partition(":")[0])
        self.notice = notice or (lambda text: warnings.warn(text, stacklevel=4))
        state, self._activations = planned_memory(spec, settings.precision)
        check_memory(state, f"Training {spec.name!r}", "make the model smaller")
        self.dataset = load_dataset(
            settings.data or "digits", settings.data_dir or None, spec.image.shape, settings.classes
        )
        if settings.evaluate_every and settings.extractor is None:
            # recorded, so that a resumed run uses it too
            extractor = default_extractor(self.dataset.name)
            self.settings = settings = replace(settings, extractor=extractor)
        numbers: Any = (settings.seed, settings.precision)
        self.feed = make_feed(
            spec, self.loss, self.dataset, *numbers, randomness=settings.randomness
        )
        self.feed.continue_epochs(before, step)
        for note in self.dataset.notes:
            self.notice(note)
        self.total = settings.steps or self.feed.count_steps(settings.epochs)
        Settings(steps=self.total)  # refuses numbers beyond any training

    def start(
        self,
        state: Mapping[str, np.ndarray],
        *,
        resumed: bool = False,
        threads: str = "",
        stack: contextlib.ExitStack | None = None,
    ) -> None:
        """Start the framework and build the engine.

        Args:
            threads: the number of CPU threads to compute on, until the stack is closed.
        """
        started = time.perf_counter()
        settings = self.settings
        backend = load_backend(self.backend_entry)
        how: Any = {"resumed": resumed, "randomness": settings.randomness}
        check_capabilities(settings.backend, backend, self.spec, settings.precision, **how)
        self.device = pick_device(backend.devices(), settings.device)
        self.clock += time.perf_counter() - started
        if self.device == "cpu":
            remedy = "make the model or the batch smaller"
            check_memory(self._activations, f"A step of {self.spec.name!r}", remedy)
            with contextlib.suppress(GandemError):  # of a plugin's loss, in the dry run
                cost = estimate_cost(self.spec, self.loss, settings.precision)
                if shortage := cost.describe_shortage():
                    self.notice(f"{self.spec.name}: {shortage}.")
        self.versions = backend.versions() | {"numpy": np.__version__}
        self.threads = set_threads(backend, threads if self.device == "cpu" else "")
        if stack is not None:
            stack.callback(set_threads, backend, self.threads)
        keep_freed_memory()
        how = {"precision": settings.precision, "device": self.device}
        with report_memory_errors():
            self.engine = make_engine(backend, self.spec, self.loss, state, **how)
            self._move_data()
        self.arithmetic: dict[str, str] = {}
        if isinstance(backend, ArithmeticReporter):
            self.arithmetic = backend.arithmetic(self.device)

    def _move_data(self) -> None:
        """Copy small data sets to a GPU; on a CPU the prefetching thread is as fast."""
        held = self.feed.bytes_and_values()
        if self.device == "cpu" or held is None or not isinstance(self.engine, DataHolder):
            return
        if held[0].nbytes <= MAX_RESIDENT_SIZE:
            self.engine.hold(*held)
            self.feed.resident = True

    def is_done(self, run: Run, step: int) -> bool:
        """Return True if a run that has made so many steps is finished.

        Raises:
            RunError: the run has made more steps than the new total.
        """
        if self.total < step:
            epochs, done = self.settings.epochs, self.feed.epochs.epochs_done(step)
            raise RunError(
                f"{run.path}: already at step {step}; choose a total above it, received "
                f"{self.total}{f' ({epochs} epochs, {done} are done)' if epochs else ''}."
            )
        return self.total == step and run.record.state == "finished"

    def record(
        self,
        run: Run | None = None,
        step: int = 0,
        notes: Iterable[str] = (),
        changed: Mapping[str, Any] | None = None,
        allowed: Collection[str] = (),
    ) -> RunRecord:
        """Return the record of a new run, or of a run that is resumed at a step.

        Args:
            notes, changed: of the segment that begins.
            allowed: fields that may change.
        """
        from importlib.metadata import version

        spec, settings, dataset = self.spec, self.settings, self.dataset
        shared: dict[str, Any] = {
            "backend": self.backend_entry.id,
            "device": self.device,
            "machine": describe_machine(),
            "versions": self.versions,
            "gandem": version("gandem"),
            "command": describe_command(),
        }
        segment = Segment(
            first_step=step,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=tuple(notes),
            changed=dict(changed or {}),
            arithmetic=self.arithmetic,
            **shared,
        )
        old = run.record if run else None
        kept = {name: getattr(old, name) for name in KEPT} if old else {"started": segment.started}
        return RunRecord(
            model=spec.name,
            spec_digest=digest(spec),
            seed=settings.seed,
            precision=settings.precision,
            data=DataRecord(
                name=dataset.name,
                digest=dataset.digest,
                count=len(dataset.images),
                source=dataset.source,
                license=dataset.license,
                class_names=dataset.class_names,
                empty_classes=dataset.empty_classes,
            ),
            steps_planned=self.total,
            epochs=self.feed.epochs.spans,
            stream=fingerprint(),
            settings=settings,
            steps=segment.first_step,
            allowed_changes=tuple(sorted({*(old.allowed_changes if old else ()), *allowed})),
            segments=(*(old.segments if old else ()), segment),
            **shared,
            **kept,
        )

    def trainer(
        self,
        run_dir: Path,
        record: RunRecord,
        callbacks: Iterable[Callback] = (),
        progress: Callable[[Progress], None] | None = None,
    ) -> Trainer:
        """Return the trainer with its callbacks: ours, those of plugins, and given ones."""
        every = [LogWriter(), RecordWriter(), *load_callbacks(self.notice)]
        every += [*callbacks, *([ProgressReporter(progress)] if progress else [])]
        settings, notice = self.settings, self.notice
        return Trainer(self.feed, self.engine, run_dir, record, settings, every, notice, self.clock)
