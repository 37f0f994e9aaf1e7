"""The record of a run, ``run.json``: how it was trained, how far it came, and with what result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from gandem.core.documents import parse_json
from gandem.core.errors import RunError, SpecError, shown
from gandem.core.fields import Checked, Range, decode, encode
from gandem.core.files import write_json
from gandem.core.runs.config import Settings
from gandem.core.training.feed.epochs import EpochSpan

FILE_NAME = "run.json"
FORMAT = 1
MAX_SIZE = 16_000_000
"""Bytes; a record has about two thousand, and some hundreds for each time it was resumed."""
MAX_MESSAGE = 160  # characters
MAX_DEPTH = 20
"""Levels of lists and tables; a record has six."""

State = Literal["running", "finished", "interrupted", "diverged", "failed"]
Number = Annotated[int, Range(0, 2**63 - 1)]
"""An integer from 0, such as a step."""
Seconds = Annotated[float, Range(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord(Checked):
    """The data of a run; see :class:`gandem.core.data.dataset.Dataset`.

    Attributes:
        digest: SHA-256 of images and labels.
        count: number of images.
        empty_classes: classes without images.
    """

    name: str = ""
    digest: str = ""
    count: Number = 0
    source: str = ""
    license: str = ""
    class_names: tuple[str, ...] = ()
    empty_classes: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Checked):
    """A part of a run that one process trained.

    Attributes:
        first_step: steps made before it.
        machine: processor, cores and system.
        versions: of Python, NumPy and the framework, by name.
        arithmetic: what the last bits of results depend on besides the versions, such as threads.
        gandem: version of gandem.
        started: in ISO 8601, UTC.
        notes: what was noted when the run was resumed, such as a damaged checkpoint.
        changed: what was changed and allowed to change, by name: the values before and after.
    """

    first_step: Number = 0
    backend: str = ""
    device: str = ""
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    arithmetic: dict[str, str] = field(default_factory=dict)
    gandem: str = ""
    command: str = ""
    started: str = ""
    seconds_to_first_step: Seconds | None = None
    notes: tuple[str, ...] = ()
    changed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestCheckpoint(Checked):
    """The step of the best checkpoint, and the value of the metric there."""

    metric: str
    value: float
    step: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRecord(Checked):
    """Where the first weights of a run come from: another run, or a file.

    Attributes:
        source: the run or the file, as it was given.
        digest: SHA-256 of its networks' arrays, with their names, shapes and types.
        model, spec_digest, step: of the run; empty for a file of another program.
        averaged: the players whose averaged weights were taken.
        names: of arrays in the file, by their names in the run, where they differ.
        loaded: the arrays that were loaded.
        new: those that have their initial values.
        unused: arrays of the source that were not taken.
    """

    source: str
    digest: str
    model: str = ""
    spec_digest: str = ""
    step: Number | None = None
    averaged: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    loaded: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(Checked):
    """What ``run.json`` holds.

    Attributes:
        origin: None for a run that starts from initial weights.
        epochs: the batches per epoch, for each part of the run that had another number of them.
        stream: fingerprint of the random numbers that NumPy draws.
        backend, device, machine, versions, gandem, command: of the last segment.
        started: when the run was started first, in ISO 8601, UTC.
        steps: steps made, of ``steps_planned``.
        seconds: seconds of training, those before a resume included.
        seconds_to_first_step: of the last segment, without the start of the framework.
        losses: the last that were read, by name; None for one that is not finite.
        peak_memory: bytes, of the last process; None if the system does not tell.
        best: None if no checkpoint is marked as the best.
        evaluation: protocol, real baseline, last scores and cost of the evaluation.
        health: what the diagnostics report: verdict, warnings, accuracy.
        allowed_changes: fields that were allowed to change when the run was resumed.
        license: of the weights of a saved model, an SPDX identifier; empty if it was not given.
    """

    _title: ClassVar[str] = "the record"

    format: Literal[1] = 1
    model: str = ""
    spec_digest: str = ""
    seed: Annotated[int, Range(0, 2**63 - 1)]
    precision: Literal["float32", "float64", "bfloat16", "tf32"]
    data: DataRecord
    origin: OriginRecord | None = None
    steps_planned: Number = 0
    epochs: tuple[EpochSpan, ...] = ()
    stream: str = ""
    settings: Settings | None = None
    state: State = "running"
    backend: str
    device: str = ""
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    gandem: str = ""
    command: str = ""
    started: str = ""
    steps: Number = 0
    seconds: Seconds = 0.0
    steps_per_second: Seconds = 0.0
    seconds_to_first_step: Seconds | None = None
    losses: dict[str, float | None] = field(default_factory=dict)
    peak_memory: Number | None = None
    best: BestCheckpoint | None = None
    evaluation: dict[str, Any] | None = None
    health: dict[str, Any] | None = None
    allowed_changes: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    license: str = ""

    @property
    def first_command(self) -> str:
        """The command that started the training; ``command`` may have resumed it."""
        return self.segments[0].command if self.segments else self.command

    def to_data(self) -> dict[str, Any]:
        """Return the record as plain data, as ``run.json`` holds it."""
        data: dict[str, Any] = encode(self)
        return data | {"best": data.get("best")}


def write_record(run_dir: Path, record: RunRecord) -> None:
    """Write ``run.json`` into a run's folder.

    Raises:
        RunError: it cannot be written.
    """
    write_json(run_dir / FILE_NAME, record.to_data())


def read_record(run_dir: Path) -> RunRecord:
    """Read ``run.json`` from a run's folder.

    Raises:
        OSError: the file cannot be read.
        RunError: it is not a record; the message names the first wrong field.
    """
    path = run_dir / FILE_NAME
    with path.open("rb") as file:
        text = file.read(MAX_SIZE + 1)
    try:
        if len(text) > MAX_SIZE:
            raise ValueError(f"expected at most {MAX_SIZE} bytes")
        data = parse_json(text, MAX_DEPTH)
        if not isinstance(data, dict):
            raise ValueError("expected a JSON object")
        number = data.get("format")
        if type(number) is int and number > FORMAT:
            raise RunError(
                f"{path}: written by a newer gandem, format {shown(number)}; upgrade gandem."
            )
        record: RunRecord = decode(RunRecord, data)
    except SpecError as error:
        raise RunError(f"{path}: damaged; {_shorten(str(error))}") from None
    except ValueError as error:
        raise RunError(f"{path}: damaged; {error}.") from None
    return record


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def covers(field: str, path: str) -> bool:
    """Return True if a field that may change is a path, or its beginning or end.

    >>> covers("learning_rate", "players.generator.optimizer.learning_rate")
    True
    """
    return f".{field}." in f".{path}."
