"""Jobs of a comparison: gandem commands in processes of their own, wherever a launcher has them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gandem.core.errors import GandemError, RunError
from gandem.core.files import write_file
from gandem.core.process import ChildCommand, ChildResult, run_child
from gandem.core.runs import open_run
from gandem.core.runs.listing import read_state
from gandem.core.runs.run_dir import check_run_dir, is_locked

__all__ = ["Ended", "Job", "run_job"]

POLL_INTERVAL = 0.2
"""Seconds between two looks at the lock of a run."""
LOCK_TIMEOUT = 120.0
"""Seconds that a training whose parent was killed has to stop and unlock its run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to be done by whoever takes it, as plain data, so that it can travel. A job can be
    done again: it goes on with what is there.

    Attributes:
        name: which cell, for people.
        run: the folder of a run to be trained first; none where it is empty.
        train: arguments of ``gandem`` that begin this run.
        measure: arguments of ``gandem`` that print JSON; output: the file for it.
        threads: of each process.
        folder: relative paths are from here.
    """

    name: str
    run: str = ""
    train: tuple[str, ...] = ()
    measure: tuple[str, ...]
    output: str
    threads: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a job has ended.

    Attributes:
        code: 0; or the exit code of the command that failed, −9 for one that was killed.
        reason: why it failed, in one line.
    """

    code: int = 0
    reason: str = ""


def run_job(job: Job, stop: threading.Event | None = None) -> Ended:
    """Do a job on this machine, and say how it ended.

    Its processes stop by themselves, as for Ctrl-C, when this one is gone.

    Args:
        stop: when it is set, the process under way is asked to stop.
    """
    stop = stop or threading.Event()
    if stop.is_set():
        return Ended(code=130, reason="not begun")
    try:
        return _done(job, stop)
    except GandemError as error:  # a folder that is in the way, a disk that is full
        return Ended(code=1, reason=str(error))


def _done(job: Job, stop: threading.Event) -> Ended:
    for arguments in _training(job):
        result = _run(job, arguments, stop)
        if result.code:
            return Ended(code=result.code, reason=result.reason)
    result = _run(job, job.measure, stop)
    if not _is_json(result.stdout):  # a measurement may end with a 1 that is its finding
        reason = result.reason if result.code else "its measurement said nothing"
        return Ended(code=result.code or 1, reason=reason)
    write_file(Path(job.folder, job.output), result.stdout.encode())
    return Ended()


def _training(job: Job) -> Iterator[tuple[str, ...]]:
    """Yield the command that brings a run to its end, if it is not there."""
    if not job.run:
        return
    place = Path(job.folder, job.run)
    until = time.monotonic() + LOCK_TIMEOUT
    while is_locked(place) and time.monotonic() < until:
        time.sleep(POLL_INTERVAL)  # by one whose parent was killed, and who is about to stop
    try:
        run = open_run(place)
    except GandemError as error:
        _check_free(place, error)
        yield job.train
        return
    if read_state(run) != "finished":
        yield "resume", job.run, "--json"


def _check_free(place: Path, error: GandemError) -> None:
    """Raise a :class:`RunError` where something lies in a run's place that is no run, and why."""
    try:
        check_run_dir(place)
    except RunError:
        raise RunError(
            f"{error} Delete {place}, and nothing else: the same command trains it anew."
        ) from None


def _run(job: Job, arguments: tuple[str, ...], stop: threading.Event) -> ChildResult:
    """Run a command."""
    return run_child(
        ChildCommand(module="gandem", arguments=arguments, threads=job.threads, folder=job.folder),
        stop=stop,
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
