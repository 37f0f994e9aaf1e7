"""Launchers: where the jobs of a comparison run. Each is an entry of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gandem.compare.jobs import Job, JobResult
from gandem.core.errors import NotFoundError
from gandem.core.plugins.isolation import stdout_to_stderr
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import require

__all__ = ["Launcher", "SubmittedJob", "load_launcher"]


class SubmittedJob(Protocol):
    """A submitted job."""

    def done(self) -> bool:
        """Return True if the job has ended, successfully or not."""

    def result(self) -> JobResult:
        """Return how the job ended.

        Raises:
            Exception: the worker is lost; the message says why.
        """


class Launcher(Protocol):
    """What an entry of ``gandem_launchers`` loads: it runs jobs, several at a time.

    Workers must see the same files under the same paths, since a run is a folder.
    """

    def submit(self, jobs: Sequence[Job]) -> Sequence[SubmittedJob]:
        """Start jobs, each with :func:`gandem.compare.run_job`, in the given order."""

    def close(self) -> None:
        """Stop running jobs, start no others, and release the workers."""


def load_launcher(name: str, workers: int, address: str | None, folder: Path) -> Launcher:
    """Return the launcher called ``name``.

    Args:
        workers: number of concurrent jobs.
        address: where the launcher finds its workers; its meaning depends on the launcher.
        folder: for files of the launcher; it need not exist yet.

    Raises:
        NotFoundError: there is no such launcher.
        BackendError, RunError: it cannot be used; the message says what to do.
    """
    entry = require("launchers", name)
    load = import_target(entry)
    with stdout_to_stderr():
        launcher: Launcher = load(workers, address, folder)
    if missing := find_missing(launcher, ("submit", "close")):
        raise NotFoundError(f"The {entry.full_name} is not a launcher: {missing}.")
    return launcher
