"""Launchers: where the jobs of a comparison run.  What a launcher must do is small; ours are a pool
of processes on this machine, Dask, and Slurm.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from gandem.core.compare.jobs import Ended, Job, run_job
from gandem.core.errors import RunError, SpecError

__all__ = ["Launcher", "Pending", "at_once"]


class Pending(Protocol):
    """A job that was handed in."""

    def done(self) -> bool:
        """Say whether it has ended, however it did."""

    def result(self) -> Ended:
        """Return how it has ended.

        Raises:
            Exception: whoever ran it is gone; the text says why.
        """

    def cancel(self) -> object:
        """Let it not begin, or end, if that can still be had."""


class Launcher(Protocol):
    """What a row of ``gandem_launchers`` builds: it takes jobs, and runs as many at once as it can.

    Attributes:
        shared: whether jobs see the same files by the same names; a launcher must, since a run is
            a folder.
    """

    def submit(self, job: Job) -> Pending:
        """Take a job."""

    def close(self) -> None:
        """Let go of whatever runs jobs; those that are running end."""


class Local:
    """Processes on this machine, ``workers`` at once."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "gandem-launcher")
        self._pending: list[Future[Ended]] = []

    def submit(self, job: Job) -> Future[Ended]:
        """Take a job; a thread waits for its processes."""
        pending = self._pool.submit(run_job, job)
        self._pending.append(pending)
        return pending

    def close(self) -> None:
        """Let nothing further begin, and wait for what is running."""
        for pending in self._pending:
            pending.cancel()
        self._pool.shutdown()


def load_local(workers: int, address: str | None) -> Local:
    """Return the pool.

    Raises:
        SpecError: an address was given.
    """
    if address:
        raise SpecError(f"launcher: local has no address, received {address!r}.")
    return Local(workers)


class Dask:
    """Workers of a Dask cluster, a job each at a time; without an address one on this machine."""

    def __init__(self, workers: int, address: str | None) -> None:
        from dask.distributed import Client, LocalCluster

        self._cluster: Any = None
        with contextlib.ExitStack() as undo:
            if address is None:
                self._cluster = LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
                )
                undo.callback(self._cluster.close)
            try:
                self._client: Any = Client(address or self._cluster, timeout="10s")
            except (OSError, TimeoutError) as error:
                raise RunError(
                    f"launcher: no Dask scheduler answers at {address} ({error}). Start one with "
                    "'dask scheduler', or leave --address out."
                ) from None
            undo.pop_all()

    def submit(self, job: Job) -> _Asked:
        """Take a job; a worker that dies does not take it to its end, another does once more."""
        return _Asked(self._client.submit(run_job, job, pure=False, retries=0))

    def close(self) -> None:
        """Leave the cluster, and end one of our own."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class _Asked:
    """A future of Dask's."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.done())

    def result(self) -> Ended:
        ended: Ended = self._future.result()
        return ended

    def cancel(self) -> object:
        return self._future.cancel()


def load_dask(workers: int, address: str | None) -> Dask:
    """Return a launcher on the cluster whose scheduler is at ``address``, ``tcp://host:8786``."""
    return Dask(workers, address)


class Slurm:
    """Jobs of Slurm through submitit; ``address`` is a partition, ``"local"`` means no Slurm but
    processes of submitit's.
    """

    def __init__(self, workers: int, address: str | None) -> None:
        import submitit

        local = address == "local"
        self._executor: Any = submitit.AutoExecutor(
            folder=os.path.abspath(".gandem-slurm/%j"), cluster="local" if local else "slurm"
        )
        options: dict[str, Any] = {"timeout_min": 24 * 60, "cpus_per_task": 1}
        if not local:
            options["slurm_array_parallelism"] = workers
            if address:
                options["slurm_partition"] = address
        self._executor.update_parameters(**options)
        self._jobs: list[Any] = []

    def submit(self, job: Job) -> Any:
        """Hand a job to Slurm."""
        pending = self._executor.submit(run_job, job)
        self._jobs.append(pending)
        return pending

    def close(self) -> None:
        """Cancel what has not ended."""
        for job in self._jobs:
            if not job.done():
                job.cancel()


def load_slurm(workers: int, address: str | None) -> Slurm:
    """Return a launcher on Slurm.

    Raises:
        RunError: there is no Slurm here.
    """
    import shutil

    if address != "local" and shutil.which("sbatch") is None:
        raise RunError(
            "launcher: there is no Slurm here (no 'sbatch'); run this on a login node, or try it "
            "with --address local."
        )
    return Slurm(workers, address)


def at_once(threads: int, memory: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return how many trainings fit on this machine at once, by cores and by memory.

    Args:
        threads: of each.
        memory: bytes that each takes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    by_cores = (cores or 1) // threads
    by_memory = _memory() // memory if memory else by_cores
    return max(1, min(by_cores, by_memory))


def _memory() -> int:
    """Return the bytes of memory that are free on this machine, or allowed to this process."""
    free = 1 << 62
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in open("/proc/meminfo", encoding="ascii"):
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        limit = open("/sys/fs/cgroup/memory.max", encoding="ascii").read().strip()
        free = min(free, int(limit))
    return free
