"""A launcher that runs jobs on a Dask cluster."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from gandem.compare.jobs import Job, JobResult, run_job
from gandem.core.errors import RunError
from gandem.core.plugins.isolation import format_error
from gandem.core.signals import block_interrupts_in_children

POLL_INTERVAL = 1.0
"""Seconds between two checks whether a job should stop."""
STOP_TIMEOUT = 60.0
"""Seconds for running jobs to stop."""
CONNECT_TIMEOUT = "10s"


class Dask:
    """Workers of a Dask cluster, one job at a time per thread.

    Without an address, a cluster of ``workers`` processes is started on this machine.
    """

    def __init__(self, workers: int, address: str | None, folder: Path) -> None:
        import dask
        from dask.distributed import Client, LocalCluster

        _silence_log()
        self._cluster: Any = None
        self._futures: list[Any] = []
        self._stop_event = f"gandem-stop-{uuid4().hex}"
        with contextlib.ExitStack() as undo:
            if address is None:
                try:
                    with (
                        dask.config.set(temporary_directory=str(folder)),
                        block_interrupts_in_children(),
                    ):
                        self._cluster = LocalCluster(
                            n_workers=workers,
                            threads_per_worker=1,
                            memory_limit=0,  # the memory is that of child processes
                            dashboard_address=None,
                        )
                except (OSError, RuntimeError) as error:
                    raise RunError(
                        f"Dask cannot start a cluster on this machine ({format_error(error)})."
                    ) from None
                undo.callback(self._cluster.close)
            try:
                self._client: Any = Client(address or self._cluster, timeout=CONNECT_TIMEOUT)
            except (OSError, TimeoutError, ValueError) as error:
                raise RunError(
                    f"No Dask scheduler answers at {address} ({format_error(error)}). Start one "
                    "with 'dask scheduler', or omit --address."
                ) from None
            undo.pop_all()
        if self._cluster is not None:
            self._client.run(_silence_log)

    def submit(self, jobs: Sequence[Job]) -> list[_DaskJob]:
        """Start jobs; if a worker dies, another resumes its job."""
        self._futures = self._client.map(_run_until, jobs, event=self._stop_event, pure=False)
        return [_DaskJob(future) for future in self._futures]

    def close(self) -> None:
        """Stop running jobs, disconnect, and shut down a cluster that was started here."""
        from dask.distributed import Event, wait

        with contextlib.suppress(Exception):  # a lost cluster runs no jobs
            Event(self._stop_event, client=self._client).set()
            wait(self._futures, timeout=STOP_TIMEOUT)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class _DaskJob:
    """A future of Dask's with the two methods of :class:`gandem.compare.SubmittedJob`."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.done())

    def result(self) -> JobResult:
        ended: JobResult = self._future.result()
        return ended


def _run_until(job: Job, event: str) -> JobResult:
    """Run a job on a Dask worker; stop it when a Dask event is set."""
    from dask.distributed import Event, get_client

    # the watching thread does not belong to Dask and cannot find the client by itself
    stop_event, stop = Event(event, client=get_client()), threading.Event()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(POLL_INTERVAL):
            with contextlib.suppress(Exception):  # without a scheduler, the worker ends by itself
                if stop_event.is_set():
                    stop.set()

    threading.Thread(target=watch, daemon=True).start()
    try:
        return run_job(job, stop)
    finally:
        done.set()


def _silence_log() -> None:
    """Silence Dask's log in this process; gandem reports how jobs end."""
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)


def load(workers: int, address: str | None, folder: Path) -> Dask:
    """Return a launcher on the cluster whose scheduler is at ``address``, ``tcp://host:8786``.

    Raises:
        RunError: no scheduler answers there, or no cluster can be started.
    """
    return Dask(workers, address, folder)
