"""Going on with a run: which checkpoint, whether everything is still what it was, and a log without
doubled steps.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandem.core.data.dataset import Dataset
from gandem.core.errors import RunError, SpecError, shown, suggest
from gandem.core.files import clear_unfinished, write_file
from gandem.core.rng import fingerprint
from gandem.core.runs.checkpoint import Checkpoint, DamagedError, read_checkpoint
from gandem.core.runs.run import Run, covers
from gandem.core.runs.trainer import is_logged
from gandem.core.specs import differences, digest, field_paths
from gandem.core.training import stored

__all__ = ["Found", "check_changes", "clear_ahead", "keep_log", "newest_good"]

DATA, STREAM = "data", "stream"
"""What may be allowed to change beside the spec's fields."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a run can go on: ``checkpoint`` is None where it has none, at step 0."""

    checkpoint: Checkpoint | None
    damaged: list[Path]
    notes: list[str]

    @property
    def step(self) -> int:
        """Steps made."""
        return self.checkpoint.step if self.checkpoint else 0


def newest_good(run: Run) -> Found:
    """Find the newest checkpoint that is whole.

    Raises:
        RunError: there are some, and none is whole; or one is of another run.
    """
    damaged, complaints = [], []
    for path in reversed(run.checkpoints()):
        try:
            found = read_checkpoint(path)
        except DamagedError as error:
            damaged.append(path)
            complaints.append(str(error))
            continue
        _check_identity(run, found)
        notes = [f"{said} Going on from {path.name}." for said in complaints[:1]]
        return Found(found, damaged, notes)
    if damaged:
        number = f"none of its {len(damaged)} checkpoints" if damaged[1:] else "its one checkpoint"
        verb = "can" if damaged[1:] else "cannot"
        raise RunError(f"{run.path}: {number} {verb} be read. {complaints[0]}")
    return Found(None, [], [f"{run.path}: it has no checkpoint yet; beginning again at step 0."])


def _check_identity(run: Run, found: Checkpoint) -> None:
    theirs = {"seed": found.seed, "precision": found.precision}
    ours = {"seed": run.facts["seed"], "precision": stored(run.facts["precision"])}
    for name, value in theirs.items():
        if ours[name] != value:
            raise RunError(
                f"{found.path}: of another run; its {name} is {value}, that of run.json "
                f"{shown(run.facts[name])}."
            )


def check_changes(
    run: Run, found: Found, dataset: Dataset, allowed: Collection[str]
) -> dict[str, Any]:
    """Refuse to go on with a changed spec or other data, except for what is allowed to change.

    Returns:
        What has changed, by name, with the value before and now.

    Raises:
        RunError: something else has changed; the text names it.
        SpecError: there is no field of an allowed name.
    """
    changed = _changes(run, found, dataset)
    for field in allowed:
        known = {*field_paths(run.spec), DATA, STREAM}
        if not any(covers(field, path) for path in {*known, *changed}):
            near = suggest(field, {*known, *(path.rpartition(".")[2] for path in known)})
            raise SpecError(f"There is no field {shown(field)} that may change.{near}")
    refused = [path for path in changed if not any(covers(field, path) for field in allowed)]
    if not refused:
        return changed
    first = refused[0]
    was, now = changed[first]
    more = f" (and {len(refused) - 1} more: {', '.join(refused[1:4])})" if refused[1:] else ""
    raise RunError(
        f"{run.path}: {_place(first)} has changed since step {found.step}: it is {shown(now)}, it "
        f"was {shown(was)}{more}. Put it back, or allow it with --allow-changed {first}."
    )


def _changes(run: Run, found: Found, dataset: Dataset) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if found.checkpoint is not None:
        changed |= differences(found.checkpoint.spec, run.spec)
    elif run.facts.get("spec_digest") != digest(run.spec):
        changed["spec"] = (run.facts.get("spec_digest"), digest(run.spec))
    was = run.facts["data"].get("digest")
    if was != dataset.digest:
        changed[DATA] = (was, dataset.digest)
    if run.facts.get("stream") != fingerprint():  # another NumPy, which draws other numbers
        changed[STREAM] = (run.facts.get("stream"), fingerprint())
    return changed


def _place(path: str) -> str:
    if path == DATA:
        return "the data's SHA-256"
    if path == STREAM:
        return "the stream of random numbers, which NumPy draws,"
    return "spec.toml" if path == "spec" else f"spec.toml: {path}"


def keep_log(run: Run, step: int, every: int, *, ends: bool) -> float:
    """Remove from the log what lies ahead of a step, and rows that an undisturbed training would
    not have written; return the seconds of training in what is left.

    Args:
        ends: the training ends at this step, whose row then stays.
    """
    rows = [
        row
        for row in run.rows()
        if row["step"] <= step
        and (
            "judged" in row
            or "scores" in row
            or is_logged(row["step"], every)
            or (ends and row["step"] == step)
        )
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    write_file(run.path / "log.jsonl", text.encode())
    seconds = next((row["seconds"] for row in reversed(rows) if "seconds" in row), None)
    return seconds if isinstance(seconds, float) and math.isfinite(seconds) else 0.0


def clear_ahead(run: Run, found: Found, epochs: int) -> None:
    """Put away what a training that goes on must not find: samples of later steps, damaged
    checkpoints, and what a killed process left unfinished.

    Args:
        epochs: whole epochs made.
    """
    clear_unfinished(run.path)
    for path in run.samples():
        kind, _, number = path.stem.partition("-")
        reached = {"epoch": epochs, "step": found.step}.get(kind)
        if reached is not None and number.isdecimal() and int(number) > reached:
            with contextlib.suppress(OSError):  # it will be written anew
                path.unlink()
    for path in found.damaged:  # kept, for whoever wants to know what happened to it
        with contextlib.suppress(OSError):
            path.replace(path.with_name(f"{path.name}.damaged"))
