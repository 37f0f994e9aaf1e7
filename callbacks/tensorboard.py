"""TensorBoard: a training's losses, samples and facts in ``RUN/tensorboard/``, wherever the package
``tensorboard`` is installed.

``tensorboard --logdir runs`` shows them.  Its records are written one by one with TensorBoard's own
record writer: its file writer would import TensorFlow, tensorboardX's would import PyTorch, and
both write later, on a thread whose errors nobody hears.
"""

from __future__ import annotations

import importlib.util
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gandem.core.plugins.hookspecs import RunInfo, hookimpl

_trainings: dict[Path, _EventFile] = {}
"""The event files of the trainings under way, by the run's folder."""


@hookimpl
def gandem_before_training(run: RunInfo) -> None:
    """Prepare an event file that begins with the facts, and replaces what a resumed training makes
    again.
    """
    spec = importlib.util.find_spec("tensorboard")
    if spec is not None and spec.origin is not None:  # None: a mere folder of that name
        _trainings[run.path] = _EventFile(run)


@hookimpl
def gandem_after_log(run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
    """Write the losses and accuracies, each group in a section of its own."""
    if events := _trainings.get(run.path):
        events.write(step, [{"tag": _tag(name), "simple_value": losses[name]} for name in losses])


@hookimpl
def gandem_after_checkpoint(run: RunInfo, step: int, samples: Path | None) -> None:
    """Write the grid of samples, unless it has been written."""
    events = _trainings.get(run.path)
    if events and samples and events.is_new(samples):
        events.write(step, [{"tag": "samples", "image": _image(samples)}])


@hookimpl
def gandem_after_training(run: RunInfo) -> None:
    """Forget the event file, which is closed after each record."""
    _trainings.pop(run.path, None)


class _EventFile:
    """An event file, made with its first record: until then a run may take its folder back."""

    def __init__(self, run: RunInfo) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._folder = run.path / "tensorboard"
        number = 1 + len(list(self._folder.glob("events.*")))  # read in the order of their names
        self._path = self._folder / f"events.out.tfevents.{number:06}"
        self._newest = max(map(_stamp, (run.path / "samples").glob("*.png")), default=(0, ""))
        facts = {name: value for name, value in asdict(run).items() if name != "path"}
        text = "\n".join(f"- {name}: `{value}`" for name, value in facts.items())
        first = run.first_step + 1
        self._head = [
            _event(file_version="brain.Event:2"),
            _event(step=first, session_log=SessionLog(status=SessionLog.START)),  # hides from here
            _event(step=first, summary=text_pb("run", text)),
        ]

    def is_new(self, samples: Path) -> bool:
        """Say whether a grid of samples is another than the one before, and remember it."""
        before, self._newest = self._newest, _stamp(samples)
        return self._newest != before

    def write(self, step: int, values: list[dict[str, Any]]) -> None:
        """Add one event of several values."""
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
    """Return where a loss is shown: ``loss/generator``, ``accuracy/real``."""
    metric = name.removesuffix("_accuracy")
    return f"loss/{name}" if metric == name else f"accuracy/{metric}"


def _stamp(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _image(path: Path) -> dict[str, Any]:
    """Return a PNG as TensorBoard keeps it: as it is, with its size from its header."""
    png = path.read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    return {"width": width, "height": height, "colorspace": 3, "encoded_image_string": png}
