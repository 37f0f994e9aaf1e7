"""TensorBoard: writes losses, scores and samples of a training to ``RUN/tensorboard/``.

``tensorboard --logdir runs`` shows them. Events are written with TensorBoard's record writer: its
file writer imports TensorFlow, that of tensorboardX imports PyTorch, and both write on a thread
whose errors are lost.
"""

from __future__ import annotations

import importlib.util
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gandem.core.runs.trainer import Callback, Trainer, WrittenCheckpoint

RECORD_FIELDS = ("model", "backend", "device", "precision", "seed", "spec_digest")


class TensorBoard(Callback):
    """Writes losses, accuracies, scores and samples during a training."""

    def on_train_start(self, trainer: Trainer) -> None:
        """Prepare an event file that describes the run and hides steps that are repeated."""
        self._events: _EventFile | None = None
        spec = importlib.util.find_spec("tensorboard")
        if spec is not None and spec.origin is not None:  # None for a folder of that name
            self._events = _EventFile(trainer)

    def on_log(self, trainer: Trainer, row: Mapping[str, Any]) -> None:
        """Write losses and accuracies, in a section each."""
        values = {name: row[name] for name in trainer.losses if row.get(name) is not None}
        self._write(trainer, [{"tag": _tag(n), "simple_value": v} for n, v in values.items()])

    def on_evaluate(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        """Write the scores."""
        tagged = [{"tag": f"score/{n}", "simple_value": v} for n, v in scores.items()]
        self._write(trainer, tagged)

    def on_checkpoint(self, trainer: Trainer, checkpoint: WrittenCheckpoint) -> None:
        """Write the grid of samples, unless it was written already."""
        samples, events = checkpoint.samples, self._events
        if events and samples and events.is_new(samples):
            events.write(checkpoint.step, [{"tag": "samples", "image": _image(samples)}])

    def _write(self, trainer: Trainer, values: list[dict[str, Any]]) -> None:
        if self._events and values:
            self._events.write(trainer.step, values)


class _EventFile:
    """An event file, created with its first event."""

    def __init__(self, trainer: Trainer) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._folder = trainer.run_dir / "tensorboard"
        number = 1 + len(
            list(self._folder.glob("events.*"))
        )  # TensorBoard reads files in the order of their names
        self._path = self._folder / f"events.out.tfevents.{number:06}"
        self._newest = max(
            map(_stamp, (trainer.run_dir / "samples").glob("*.png")), default=(0, "")
        )
        fields: dict[str, Any] = {name: getattr(trainer.record, name) for name in RECORD_FIELDS}
        fields |= {"data": trainer.inputs.dataset.name, "steps": trainer.total_steps}
        text = "\n".join(f"- {name}: `{value}`" for name, value in fields.items())
        first = trainer.first_step + 1
        self._head = [
            _event(file_version="brain.Event:2"),
            _event(step=first, session_log=SessionLog(status=SessionLog.START)),  # hides from here
            _event(step=first, summary=text_pb("run", text)),
        ]

    def is_new(self, samples: Path) -> bool:
        """Return True if a grid of samples differs from the previous one."""
        previous, self._newest = self._newest, _stamp(samples)
        return self._newest != previous

    def write(self, step: int, values: list[dict[str, Any]]) -> None:
        """Write one event with several values."""
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(exist_ok=True)
        with self._path.open("ab") as file:
            for event in (*self._head, _event(step=step, summary={"value": values})):
                RecordWriter(file).write(event)
        self._head = []


def _event(**fields: Any) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event

    event: bytes = Event(wall_time=time.time(), **fields).SerializeToString()
    return event


def _tag(name: str) -> str:
    """Return the tag of a loss: ``loss/generator``, ``accuracy/real``."""
    metric = name.removesuffix("_accuracy")
    return f"loss/{name}" if metric == name else f"accuracy/{metric}"


def _stamp(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _image(path: Path) -> dict[str, Any]:
    """Return a PNG as an image of TensorBoard, with the size from its header."""
    png = path.read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    return {"width": width, "height": height, "colorspace": 3, "encoded_image_string": png}
