"""Resume a run: find the checkpoint, check that spec and data are unchanged, trim the log."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, RunError, SpecError, shown, suggest
from gandem.core.files import clear_unfinished, write_file
from gandem.core.rng import fingerprint
from gandem.core.runs.checkpoint import Checkpoint, DamagedError, read_checkpoint
from gandem.core.runs.config import Progress, Settings
from gandem.core.runs.log import is_logged
from gandem.core.runs.record import RunRecord, Segment, covers, write_record
from gandem.core.runs.run import Run, open_run
from gandem.core.runs.run_dir import lock_run_dir
from gandem.core.runs.saved.folder import is_saved_model
from gandem.core.runs.setup import Notice, TrainingSetup
from gandem.core.runs.trainer import Callback
from gandem.core.signals import catch_stop_request
from gandem.core.specs import differences, digest, field_paths
from gandem.core.training import check_state, initial_state, list_forms, stored

DATA, STREAM, THREADS = "data", "stream", "threads"
"""What may be allowed to change, besides the fields of the spec."""
CHOOSE_THREADS = " docs/runs.md describes how to choose the threads."


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a run is resumed.

    Attributes:
        checkpoint: None if there is no checkpoint; the run starts again at step 0.
        damaged: newer checkpoints that cannot be read.
        notes: what the user should know, one line each.
    """

    checkpoint: Checkpoint | None
    damaged: list[Path]
    notes: list[str]

    @property
    def step(self) -> int:
        """Number of steps made."""
        return self.checkpoint.step if self.checkpoint else 0


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
    callbacks: Iterable[Callback] = (),
    progress: Callable[[Progress], None] | None = None,
    notice: Notice | None = None,
) -> Run:
    """Resume a run from its newest good checkpoint, to its end or to a new total.

    On the same backend the result is bit for bit that of an uninterrupted training. Another backend
    starts from exactly the same state.

    Args:
        run: a run, or its folder.
        backend: by default the run's own.
        device: likewise.
        steps: the new total of steps.
        epochs: the new total of epochs, instead of steps.
        data: the new place of the same data, if it has moved.
        data_dir: likewise.
        allow_changed: fields of the spec, or ``"data"``, that may differ from those of the
            checkpoint; any other difference is refused.
        callbacks: notified during the training, besides those of gandem and of plugins.
        progress: called after every step, or after several that were made in one call.
        notice: called with one line that is not an error, such as a damaged checkpoint that was
            skipped; by default it is a warning.

    Returns:
        The run, opened again; unchanged if it was finished.

    Raises:
        GandemError: the run cannot be resumed; it is unchanged.
    """
    clock = time.perf_counter()
    folder = run.path if isinstance(run, Run) else Path(run)
    absolute = folder.absolute()  # a callback may change the working directory
    if is_saved_model(open_run(run).path):  # and leave no lock in another folder
        raise RunError(
            f"{folder}: a saved model holds no state of the optimizers; resume the run that it was "
            "saved from."
        )
    with lock_run_dir(folder), contextlib.ExitStack() as stack:
        run = open_run(folder)
        point = find_resume_point(run)
        given: dict[str, Any] = {"backend": backend, "device": device, "data": data}
        given["data_dir"] = data_dir
        settings = replace(run.settings(), **{k: v for k, v in given.items() if v is not None})
        if steps is not None or epochs is not None:
            settings = replace(settings, steps=steps, epochs=epochs)
        try:
            before = run.record.epochs
            setup = TrainingSetup(run.spec, settings, clock, notice, before, point.step)
        except DataError as error:
            if data or data_dir:
                raise
            raise DataError(
                f"{error} If the data has moved, give its new place with --data."
            ) from None
        changed = check_changes(run, point, setup.dataset, allow_changed)
        if setup.is_done(run, point.step):
            return run
        state = load_state(run, point, settings)
        threads = find_threads(run, setup.backend_entry.id, allow_changed) if point.step else ""
        setup.start(state, resumed=point.step > 0, threads=threads, stack=stack)
        record = setup.record(run, point.step, point.notes, changed, allow_changed)
        for note in (*point.notes, *describe_changes(run, point, record, setup.threads)):
            setup.notice(note)
        trainer = setup.trainer(absolute, record, callbacks, progress)  # callbacks may refuse
        remove_later_files(run, point, setup.feed.epochs.epochs_done(point.step))
        ends = point.step == setup.total
        seconds = trim_log(run, point.step, settings.log_every, ends=ends)
        write_record(folder, record)
        trainer.resume(point.checkpoint, seconds)
        with catch_stop_request() as stop:
            trainer.run(setup.total, stop)
    return open_run(folder if folder.absolute() == absolute else absolute)


def find_resume_point(run: Run) -> ResumePoint:
    """Find the newest checkpoint that is not damaged.

    Raises:
        RunError: all checkpoints are damaged, or one belongs to another run; or there is none, and
            the first weights cannot be drawn again.
    """
    damaged: list[Path] = []
    errors: list[str] = []
    for path in reversed(run.checkpoints()):
        try:
            checkpoint = read_checkpoint(path)
        except DamagedError as error:
            damaged.append(path)
            errors.append(str(error))
            continue
        _check_identity(run, checkpoint)
        notes = [f"{error} Resuming from {path.name}." for error in errors[:1]]
        return ResumePoint(checkpoint, damaged, notes)
    if damaged:
        which = f"none of its {len(damaged)} checkpoints" if damaged[1:] else "its one checkpoint"
        verb = "can" if damaged[1:] else "cannot"
        raise RunError(f"{run.path}: {which} {verb} be read. {errors[0]}")
    if run.record.origin is not None:
        raise RunError(
            f"{run.path}: it has no checkpoint yet, and its first weights come from "
            f"{run.record.origin.source}; train it anew."
        )
    return ResumePoint(
        None, [], [f"{run.path}: it has no checkpoint yet; starting again at step 0."]
    )


def _check_identity(run: Run, checkpoint: Checkpoint) -> None:
    theirs = {"seed": checkpoint.seed, "precision": checkpoint.precision}
    ours = {"seed": run.record.seed, "precision": stored(run.record.precision)}
    for name, value in theirs.items():
        if ours[name] != value:
            raise RunError(
                f"{checkpoint.path}: it belongs to another run; its {name} is {value}, that of "
                f"run.json is {shown(getattr(run.record, name))}."
            )


def load_state(run: Run, point: ResumePoint, settings: Settings) -> dict[str, np.ndarray]:
    """Return the state to resume from.

    Raises:
        RunError: it does not fit the spec.
    """
    if point.checkpoint is None:
        return initial_state(run.spec, settings.seed, settings.precision)
    state = point.checkpoint.state
    try:
        check_state(run.spec, list_forms(state))
    except RunError as error:
        raise RunError(f"{point.checkpoint.path}: {error}") from None
    return state


def find_threads(run: Run, backend: str, allowed: Collection[str]) -> str:
    """Return the number of CPU threads that the run has used last on a backend; else ``""``.

    Args:
        allowed: what may change; another number is not asked for if ``"threads"`` is among it.
    """
    if THREADS in allowed or not run.record.segments:
        return ""
    last = run.record.segments[-1]
    return last.arithmetic.get(THREADS, "") if last.backend == backend else ""


def check_changes(
    run: Run, point: ResumePoint, dataset: Dataset, allowed: Collection[str]
) -> dict[str, Any]:
    """Check that spec and data are unchanged, except for what is allowed to change.

    Returns:
        The changes by name, each with the value before and now.

    Raises:
        RunError: something else has changed; the message names it.
        SpecError: an allowed name is not a field.
    """
    changed = _changes(run, point, dataset)
    for field in allowed:
        known = {*field_paths(run.spec), DATA, STREAM, THREADS}
        if not any(covers(field, path) for path in {*known, *changed}):
            near = suggest(field, {*known, *(path.rpartition(".")[2] for path in known)})
            raise SpecError(f"No field named {shown(field)} can be allowed to change.{near}")
    refused = [path for path in changed if not any(covers(field, path) for field in allowed)]
    if not refused:
        return changed
    first = refused[0]
    was, now = changed[first]
    more = f" (and {len(refused) - 1} more: {', '.join(refused[1:4])})" if refused[1:] else ""
    raise RunError(
        f"{run.path}: {_place(first)} has changed since step {point.step}: it is {shown(now)}, it "
        f"was {shown(was)}{more}. Restore it, or allow it with --allow-changed {first}."
    )


def _changes(run: Run, point: ResumePoint, dataset: Dataset) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if point.checkpoint is not None:
        changed |= differences(point.checkpoint.spec, run.spec)
    elif run.record.spec_digest != digest(run.spec):
        changed["spec"] = (run.record.spec_digest, digest(run.spec))
    was = run.record.data.digest
    if was != dataset.digest:
        changed[DATA] = (was, dataset.digest)
    if run.record.stream != fingerprint():  # another NumPy draws other numbers
        changed[STREAM] = (run.record.stream, fingerprint())
    return changed


def _place(path: str) -> str:
    if path == DATA:
        return "the data's SHA-256"
    if path == STREAM:
        return "the stream of random numbers, which NumPy draws,"
    return "spec.toml" if path == "spec" else f"spec.toml: {path}"


def describe_changes(
    run: Run, point: ResumePoint, record: RunRecord, threads: str = ""
) -> list[str]:
    """Return a line for each thing that makes a resumed run differ from one without interruption,
    and for what was done so that it does not.

    Args:
        record: of the run as it is resumed.
        threads: the number of CPU threads of this process before.
    """
    if point.step == 0 or not run.record.segments:
        return []
    before, now = run.record.segments[-1], record.segments[-1]
    place, begins = (before.backend, before.device), (now.backend, now.device)
    lines, span = [], record.epochs[-1]
    if span.first_step and span not in run.record.epochs:
        lines.append(
            f"an epoch has {span.batches_per_epoch} batches from step {point.step} on, it had "
            f"{record.epochs[-2].batches_per_epoch}; epoch {span.first_epoch + 1} begins here."
        )
    is_portable = record.settings is None or record.settings.randomness == "portable"
    if place != begins and not is_portable:
        lines.append(
            "its random numbers are the device's own (--randomness device); from step "
            f"{point.step} they are those of {' on '.join(begins)}, not of {' on '.join(place)}."
        )
    if place == begins and (changes := _list_arithmetic_changes(before, now)):
        lines.append(
            f"{', '.join(changes)}: results can differ in the last bits from those of an "
            f"uninterrupted training.{CHOOSE_THREADS * (THREADS in changes[-1])}"
        )
    used = now.arithmetic.get(THREADS, "")
    if used and threads not in ("", used):
        lines.append(
            f"{used} CPU thread{'s' * (used != '1')} as before instead of {threads}, for equal "
            f"results; --allow-changed {THREADS} uses {threads}."
        )
    return [f"{run.path}: {line}" for line in lines]


def _list_arithmetic_changes(before: Segment, now: Segment) -> list[str]:
    was, is_now = before.versions | before.arithmetic, now.versions | now.arithmetic
    names = [name for name in was if name in is_now and name not in ("python", THREADS)]
    names += [THREADS] if THREADS in was.keys() & is_now.keys() else []
    return [f"{name} {was[name]} → {is_now[name]}" for name in names if was[name] != is_now[name]]


def trim_log(run: Run, step: int, every: int, *, ends: bool) -> float:
    """Remove rows after a step, and rows that an uninterrupted training would not have written.

    Args:
        every: steps between two rows with losses.
        ends: the training ends at this step, whose row is kept.

    Returns:
        Seconds of training up to the last row that is kept.
    """
    rows = [
        row
        for row in run.rows()
        if row["step"] <= step
        and (
            "accuracy" in row
            or "scores" in row
            or is_logged(row["step"], every)
            or (ends and row["step"] == step)
        )
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    write_file(run.path / "log.jsonl", text.encode())
    seconds = next((row["seconds"] for row in reversed(rows) if "seconds" in row), None)
    return seconds if isinstance(seconds, float) and math.isfinite(seconds) else 0.0


def remove_later_files(run: Run, point: ResumePoint, epochs: int) -> None:
    """Remove samples of later steps and unfinished files, and rename damaged checkpoints.

    Args:
        epochs: number of whole epochs made.
    """
    clear_unfinished(run.path)
    for path in run.samples():
        kind, _, number = path.stem.partition("-")
        reached = {"epoch": epochs, "step": point.step}.get(kind)
        if reached is not None and number.isdecimal() and int(number) > reached:
            with contextlib.suppress(OSError):  # it will be overwritten
                path.unlink()
    for path in point.damaged:  # kept for inspection
        with contextlib.suppress(OSError):
            path.replace(path.with_name(f"{path.name}.damaged"))
