"""The child processes of a measurement: their requests, and running them side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gandem.core.errors import BackendError
from gandem.core.machine import count_cpus
from gandem.core.process import ChildCommand, run_children


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one process does.

    Attributes:
        spec: as JSON.
        folder: where the process writes its results.
        data_dir: the absolute path of the folder with the data set's files.
        classes: the classes of the data to use; empty for all.
        marks: the steps, counted from 1, after which weights are saved.
        baseline: start with every weight moved by one unit in the last place.
        states: save the whole state before the step of each mark.
        forced: a folder with such states; only the steps of the marks are made, each from the
            state saved there.
        checkpoint: the step after which a checkpoint is written.
        resumed: a checkpoint to continue from; its spec, seed, precision and step are used.
    """

    spec: str
    backend: str = ""
    folder: str = ""
    data: str
    data_dir: str | None = None
    classes: tuple[int | str, ...] = ()
    seed: int
    precision: str
    device: str
    marks: tuple[int, ...]
    baseline: bool = False
    states: bool = False
    forced: str | None = None
    checkpoint: int | None = None
    resumed: str | None = None

    def to_json(self) -> str:
        """Return the request as one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Read a request that :meth:`to_json` has written."""
        data = json.loads(text)
        return cls(**data | {name: tuple(data[name]) for name in ("marks", "classes")})


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes of one measurement.

    Attributes:
        template: the fields that all requests share.
        folder: each process writes to its own folder in it.
        progress: called as ``progress(name, step)``.
    """

    template: Request
    folder: Path
    progress: Callable[[str, int], None] | None = None

    def request(self, name: str, backend: str, **more: Any) -> tuple[str, Request]:
        """Create the folder ``name``, and return the request of the process that writes there.

        Args:
            more: other fields of the request.
        """
        folder = self.folder / name
        folder.mkdir()
        return name, replace(self.template, backend=backend, folder=str(folder), **more)

    def run(self, *requests: tuple[str, Request]) -> None:
        """Run requests side by side, with one CPU thread each, as many at once as there are CPUs.

        Raises:
            BackendError: one of them failed; the others were stopped.
        """
        commands = [self._command(name, request) for name, request in requests]
        results = run_children(commands, at_once=count_cpus())
        for (_, request), result in zip(requests, results, strict=True):
            if result.code and not result.stop_reason:
                raise BackendError(f"The {request.backend} process failed: {result.reason}")

    def _command(self, name: str, request: Request) -> ChildCommand:
        def report_step(line: str) -> bool:
            is_step = line.strip().isdigit()
            if is_step and self.progress is not None:
                self.progress(f"{request.backend} {name}", int(line))
            return is_step

        return ChildCommand(
            module="gandem.parity.worker",
            arguments=(request.to_json(),),
            threads=1,
            on_line=report_step,
        )
