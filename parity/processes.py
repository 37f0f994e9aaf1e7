"""The processes of a measurement: what each shall do, and running them side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gandem.core.errors import BackendError
from gandem.core.process import ChildCommand, run_children
from gandem.core.specs import Spec, to_json

__all__ = ["Processes", "Request"]

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one process shall do.

    Attributes:
        spec: as JSON.
        data_dir: a folder with the data set's files, from the root.
        classes: of the data only these; none for all.
        folder: where results go.
        marks: the steps, counted from 1, after which weights are kept.
        baseline: begin with every weight moved by one unit in the last place.
        states: keep the whole state before each mark's step.
        forced: a folder of such states; only the marks' steps are made, each from the state kept
            there.
        checkpoint: the step after which a checkpoint is written.
        resumed: a checkpoint to go on from; spec, seed, precision and step are those of the file.
    """

    spec: str
    backend: str
    folder: str
    data: str
    seed: int
    precision: str
    device: str
    marks: tuple[int, ...]
    baseline: bool = False
    states: bool = False
    forced: str | None = None
    checkpoint: int | None = None
    resumed: str | None = None
    data_dir: str | None = None
    classes: tuple[int | str, ...] = ()

    def to_json(self) -> str:
        """Return the request as one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Read what :meth:`to_json` wrote."""
        data = json.loads(text)
        return cls(**data | {name: tuple(data[name]) for name in ("marks", "classes")})


@dataclass(frozen=True, kw_only=True)
class Processes:
    """What all processes of one measurement have in common.

    Attributes:
        marks: the steps, counted from 1, after which weights are kept.
        folder: each process writes to a folder of its own in it.
        progress: called as ``progress(who, step)``.
        data_dir, classes: of the data set.
    """

    spec: Spec
    data: str
    seed: int
    precision: str
    device: str
    marks: tuple[int, ...]
    folder: Path
    progress: Progress | None = None
    data_dir: str | None = None
    classes: tuple[int | str, ...] = ()

    def request(self, who: str, backend: str, **more: Any) -> tuple[str, Request]:
        """Make the folder ``who``, and the request of the process that shall fill it.

        Args:
            more: further fields of the request.
        """
        place = self.folder / who
        place.mkdir()
        return who, Request(
            spec=to_json(self.spec),
            backend=backend,
            folder=str(place),
            data=self.data,
            data_dir=None if self.data_dir is None else os.path.abspath(self.data_dir),
            classes=self.classes,
            seed=self.seed,
            precision=self.precision,
            device=self.device,
            marks=self.marks,
            **more,
        )

    def run(self, *requests: tuple[str, Request]) -> None:
        """Run requests side by side, with one CPU thread each, as many at once as cores.

        Raises:
            BackendError: one of them failed; the others are ended.
        """
        commands = [self._command(who, request) for who, request in requests]
        results = run_children(commands, at_once=_cores())
        for (_, request), result in zip(requests, results, strict=True):
            if result.code and not result.stop_reason:
                raise BackendError(f"The {request.backend} process failed: {result.reason}")

    def _command(self, who: str, request: Request) -> ChildCommand:
        def report_step(line: str) -> bool:
            is_step = line.strip().isdigit()
            if is_step and self.progress is not None:
                self.progress(f"{request.backend} {who}", int(line))
            return is_step

        return ChildCommand(
            module="gandem.parity.worker",
            arguments=(request.to_json(),),
            threads=1,
            on_line=report_step,
        )


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone knows what we may use
    return len(affinity(0)) if affinity else os.cpu_count() or 1
