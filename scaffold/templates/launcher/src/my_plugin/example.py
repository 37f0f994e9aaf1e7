"""A launcher that runs the jobs of a comparison one after the other, in the calling process."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gandem.compare import run_job


class Example:
    """See :class:`gandem.compare.Launcher`."""

    def submit(self, jobs: Sequence[Any]) -> list[Future[Any]]:
        """Run the jobs, and return a future with the result of each."""
        futures = []
        for job in jobs:
            future: Future[Any] = Future()
            future.set_result(run_job(job))
            futures.append(future)
        return futures

    def close(self) -> None:
        """Release what the launcher holds: nothing."""


def load(workers: int, address: str | None, folder: Path) -> Example:
    """Return the launcher.

    Args:
        workers: jobs to run at the same time, ``--workers``.
        address: of a cluster, ``--address``.
        folder: for files of the launcher.
    """
    return Example()
