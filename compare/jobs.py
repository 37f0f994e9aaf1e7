"""Jobs of a comparison: gandem commands in child processes, on the machine of a worker."""

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
from gandem.core.runs.run_dir import check_run_dir, is_locked

POLL_INTERVAL = 0.2
"""Seconds between two checks of the lock of a run."""
LOCK_TIMEOUT = 120.0
"""Seconds that a training whose parent was killed has to stop and unlock its run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run and its scores, or a parity measurement, as plain data that can be sent to a worker.

    Running a job again resumes it.

    Attributes:
        name: for messages.
        run: the folder of a run to train first; empty for none.
        train: arguments of ``gandem`` that start the run.
        measure: arguments of ``gandem`` that print JSON; output: the file for it.
        threads: CPU threads of each process.
        folder: the working directory, for relative paths.
    """

    name: str
    run: str = ""
    train: tuple[str, ...] = ()
    measure: tuple[str, ...]
    output: str
    threads: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended.

    Attributes:
        code: 0, or the exit code of the command that failed; negative if a signal killed it.
        reason: why it failed, in one line.
    """

    code: int = 0
    reason: str = ""


def run_job(job: Job, stop: threading.Event | None = None) -> JobResult:
    """Run a job on this machine.

    Its processes stop as after Ctrl-C when this process ends.

    Args:
        stop: stops the current process when it is set.
    """
    stop = stop or threading.Event()
    if stop.is_set():
        return JobResult(code=130, reason="not started")
    try:
        return _run_commands(job, stop)
    except GandemError as error:  # such as other files in the folder, or a full disk
        return JobResult(code=1, reason=str(error))


def _run_commands(job: Job, stop: threading.Event) -> JobResult:
    for arguments in _train_commands(job):
        result = _run(job, arguments, stop)
        if result.code:
            return JobResult(code=result.code, reason=result.reason)
    result = _run(job, job.measure, stop)
    if not _is_json(result.stdout):  # with JSON, exit code 1 is the result of a measurement
        reason = result.reason if result.code else "the measurement printed no JSON"
        return JobResult(code=result.code or 1, reason=reason)
    write_file(Path(job.folder, job.output), result.stdout.encode())
    return JobResult()


def _train_commands(job: Job) -> Iterator[tuple[str, ...]]:
    """Yield the command that starts or resumes the run, unless it is finished."""
    if not job.run:
        return
    path = Path(job.folder, job.run)
    deadline = time.monotonic() + LOCK_TIMEOUT
    while is_locked(path) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL)  # a training whose parent was killed is about to stop
    try:
        run = open_run(path)
    except GandemError as error:
        _check_free(path, error)
        yield job.train
        return
    if run.status() != "finished":
        yield "resume", job.run, "--json"


def _check_free(path: Path, error: GandemError) -> None:
    """Check that a new run can be created in a folder.

    Raises:
        RunError: the folder holds something that is not a run.
    """
    try:
        check_run_dir(path)
    except RunError:
        raise RunError(f"{error} Delete {path} and run the same command again.") from None


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
