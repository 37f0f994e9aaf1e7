"""Jobs of a comparison: gandem commands, one after the other, in processes of their own, wherever a
launcher runs them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "Job", "run_job"]

LAST = 2000
"""Letters of what a process has said last that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to be done by whoever takes it: plain data, so that it can travel.

    Attributes:
        name: which cell, for people.
        commands: arguments of ``gandem``, each a process of its own; one that fails ends the job.
        outputs: for each command the file that gets what it prints; "" for none.
        threads: of each process.
        folder: relative paths are from here.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    outputs: tuple[str, ...]
    threads: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a job has ended.

    Attributes:
        code: 0; or the exit code of the command that failed, −9 for one that was killed.
        words: the last line it has said, where it failed.
        seconds: how long the job took.
    """

    code: int
    words: str
    seconds: float

    @property
    def reason(self) -> str:
        """Why it failed, for people; nothing where it did not."""
        if self.code == 0:
            return ""
        if self.code < 0:
            name = signal.Signals(-self.code).name
            often = "; often for want of memory" if name == "SIGKILL" else ""
            return f"killed by {name}{often}"
        return self.words or f"exit code {self.code}"


def run_job(job: Job) -> Ended:
    """Do a job in this process's machine, and say how it ended.

    The commands are children in a group of their own, which ends with this process.
    """
    begun = time.perf_counter()
    threads = str(job.threads)
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | {name: threads for name in names}
    for command, output in zip(job.commands, job.outputs, strict=True):
        done = subprocess.run(
            [sys.executable, "-m", "gandem", *command],
            cwd=job.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            words = [line for line in done.stderr[-LAST:].splitlines() if line.strip()]
            said = words[-1].removeprefix("Error: ") if words else ""
            return Ended(
                code=done.returncode, words=said, seconds=round(time.perf_counter() - begun, 3)
            )
        if output:
            _write(Path(job.folder, output), done.stdout)
    return Ended(code=0, words="", seconds=round(time.perf_counter() - begun, 3))


def _write(path: Path, text: str) -> None:
    from gandem.core.files import write_file

    write_file(path, text.encode())


def arguments(name: str, value: object) -> Sequence[str]:
    """Return an option of a command; none where there is no value."""
    return () if value is None else (f"--{name}={value}",)
