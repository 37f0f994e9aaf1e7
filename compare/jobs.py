"""Jobs of a comparison: gandem commands in processes of their own, wherever a launcher has them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gandem.core.errors import GandemError, RunError
from gandem.core.files import write_file
from gandem.core.runs import open_run
from gandem.core.runs.listing import read_state
from gandem.core.runs.run_dir import check_run_dir, is_locked

__all__ = ["Ended", "Job", "run_job"]

SIGNALS = {number.value: number.name for number in signal.Signals}
LOOK = 0.2
"""Seconds between two looks at whether a process shall stop."""
PATIENCE = 120.0
"""Seconds for a process to stop when asked, a training after its step, before it is killed; and for
one whose parent is gone to have let go of its run.
"""
SAID = 4000
"""Letters, of what a process has said last, in which its reason is looked for."""


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
        words: the last line it has said, where it failed.
    """

    code: int = 0
    words: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, for people; nothing where it did not."""
        if self.code == 0:
            return ""
        if self.code < 0:
            name = SIGNALS.get(-self.code, f"signal {-self.code}")
            often = ", often for want of memory" if name == "SIGKILL" else ""
            return f"killed by {name}{often}"
        return self.words or f"exit code {self.code}"


def run_job(job: Job, stop: threading.Event | None = None) -> Ended:
    """Do a job on this machine, and say how it ended.

    Its processes stop by themselves, as for Ctrl-C, when this one is gone (see ``leashed``).

    Args:
        stop: when it is set, the process under way is asked to stop.
    """
    stop = stop or threading.Event()
    if stop.is_set():
        return Ended(code=130, words="not begun")
    try:
        return _done(job, stop)
    except GandemError as error:  # a folder that is in the way, a disk that is full
        return Ended(code=1, words=str(error))


def _done(job: Job, stop: threading.Event) -> Ended:
    for arguments in _training(job):
        ended, _ = _run(job, arguments, stop)
        if ended.code:
            return ended
    ended, text = _run(job, job.measure, stop)
    if not _is_json(text):  # a measurement may end with a 1 that is its finding
        return ended if ended.code else Ended(code=1, words="its measurement said nothing")
    write_file(Path(job.folder, job.output), text.encode())
    return Ended()


def _training(job: Job) -> Iterator[tuple[str, ...]]:
    """Yield the command that brings a run to its end, if it is not there."""
    if not job.run:
        return
    place = Path(job.folder, job.run)
    until = time.monotonic() + PATIENCE
    while is_locked(place) and time.monotonic() < until:
        time.sleep(LOOK)  # by one whose parent was killed, and who is about to stop
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


def _run(job: Job, arguments: tuple[str, ...], stop: threading.Event) -> tuple[Ended, str]:
    """Run a command; return how it ended, and what it printed."""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS")
    ours, theirs = os.pipe()  # whoever reads from it sees its end when nobody can write any more
    with os.fdopen(theirs, "wb") as leash:
        with os.fdopen(ours, "rb") as end:
            process = subprocess.Popen(
                [sys.executable, "-m", "gandem.compare.leashed", *arguments],
                cwd=job.folder,
                env=os.environ | dict.fromkeys(names, str(job.threads)),
                stdin=end,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C comes by the leash alone, and once
            )
        asked = None
        while True:
            try:
                said, complaint = process.communicate(timeout=LOOK)
                break
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    leash.close()
                    asked = asked or time.monotonic()
                    if time.monotonic() > asked + PATIENCE:
                        process.kill()
    return Ended(code=process.returncode, words=_reason(complaint)), said


def _reason(complaint: str) -> str:
    lines = [line.strip() for line in complaint[-SAID:].splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    return (errors or lines or [""])[-1]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
