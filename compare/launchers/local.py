"""A launcher that runs jobs as processes on this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gandem.compare.jobs import Job, JobResult, run_job
from gandem.core.errors import SpecError


class Local:
    """Processes on this machine, ``workers`` at a time."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "gandem-launcher")
        self._stop = threading.Event()

    def submit(self, jobs: Sequence[Job]) -> list[Future[JobResult]]:
        """Start jobs; a thread waits for the processes of each."""
        return [self._pool.submit(run_job, job, self._stop) for job in jobs]

    def close(self) -> None:
        """Stop running jobs and cancel the others."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


def load(workers: int, address: str | None, folder: Path) -> Local:
    """Return the launcher.

    Raises:
        SpecError: an address is given.
    """
    if address:
        raise SpecError(f"The launcher 'local' takes no --address, received {address!r}.")
    return Local(workers)
