"""Launchers: where the jobs of a comparison run. What a launcher must do is small; ours are a pool
of processes on this machine, Dask, and Slurm.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from gandem.compare.jobs import Ended, Job, run_job
from gandem.core.errors import NotFoundError, RunError, SpecError
from gandem.core.files import make_folder
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import require
from gandem.core.signals import block_interrupts_in_children

__all__ = ["Launcher", "Pending", "at_once", "load_launcher"]

LOOK = 1.0
"""Seconds between two looks at whether a job shall stop."""
PATIENCE = 60.0
"""Seconds for jobs to stop when a cluster is left."""
ANSWER = "10s"
"""For a scheduler to answer."""
MINUTES = 24 * 60
"""For one job of Slurm's; one that is cut off is gone on with next time."""


class Pending(Protocol):
    """A job that was handed in."""

    def done(self) -> bool:
        """Return whether it has ended, however it did."""

    def result(self) -> Ended:
        """Return how it has ended.

        Raises:
            Exception: whoever ran it is gone; the text says why.
        """


class Launcher(Protocol):
    """What a row of ``gandem_launchers`` builds: it takes jobs, and runs as many at once as it can.

    Whoever runs a job must see the same files by the same names, since a run is a folder.
    """

    def submit(self, jobs: Sequence[Job]) -> Sequence[Pending]:
        """Take all jobs, and let them be done by :func:`run_job`, first come first served."""

    def close(self) -> None:
        """Let go of whatever runs jobs; no further one begins, those that are running stop."""


class Local:
    """Processes on this machine, ``workers`` at once."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "gandem-launcher")
        self._stop = threading.Event()

    def submit(self, jobs: Sequence[Job]) -> list[Future[Ended]]:
        """Take jobs; a thread waits for the processes of each."""
        return [self._pool.submit(run_job, job, self._stop) for job in jobs]

    def close(self) -> None:
        """Let nothing further begin, and what is running stop."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


def load_local(workers: int, address: str | None, folder: Path) -> Local:
    """Return the pool.

    Raises:
        SpecError: an address was given.
    """
    if address:
        raise SpecError(f"launcher: local has no address, received {address!r}.")
    return Local(workers)


class Dask:
    """Workers of a Dask cluster, a job at a time for each of their threads; without an address a
    cluster of ``workers`` on this machine.
    """

    def __init__(self, workers: int, address: str | None, folder: Path) -> None:
        import dask
        from dask.distributed import Client, LocalCluster

        _quieten()
        self._cluster: Any = None
        self._futures: list[Any] = []
        self._name = f"gandem-stop-{uuid4().hex}"
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
                            memory_limit=0,  # what takes memory are processes it does not see
                            dashboard_address=None,
                        )
                except (OSError, RuntimeError) as error:
                    raise RunError(
                        f"launcher: Dask cannot start a cluster here ({format_error(error)})."
                    ) from None
                undo.callback(self._cluster.close)
            try:
                self._client: Any = Client(address or self._cluster, timeout=ANSWER)
            except (OSError, TimeoutError, ValueError) as error:
                raise RunError(
                    f"launcher: no Dask scheduler answers at {address} ({format_error(error)}). "
                    "Start one with 'dask scheduler', or leave --address out."
                ) from None
            undo.pop_all()
        if self._cluster is not None:
            self._client.run(_quieten)

    def submit(self, jobs: Sequence[Job]) -> list[_Asked]:
        """Take jobs; that of a worker which dies is gone on with by another."""
        self._futures = self._client.map(_run_until, jobs, event=self._name, pure=False)
        return [_Asked(future) for future in self._futures]

    def close(self) -> None:
        """Let what is running stop, leave the cluster, and end one of our own."""
        from dask.distributed import Event, wait

        with contextlib.suppress(Exception):  # of a cluster that is gone nothing runs any more
            Event(self._name, client=self._client).set()
            wait(self._futures, timeout=PATIENCE)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _run_until(job: Job, event: str) -> Ended:
    """Do a job on a worker of Dask's, until somebody sets an event."""
    from dask.distributed import Event, get_client

    # the thread that watches is none of Dask's, and could not find the client by itself
    asked, stop, done = Event(event, client=get_client()), threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(LOOK):
            with contextlib.suppress(Exception):  # without a scheduler the worker ends by itself
                if asked.is_set():
                    stop.set()

    threading.Thread(target=watch, daemon=True).start()
    try:
        return run_job(job, stop)
    finally:
        done.set()


def _quieten() -> None:
    """Let a process of Dask's say nothing: how a job has ended is said by us."""
    import logging

    logging.getLogger("distributed").setLevel(logging.CRITICAL)


class _Asked:
    """A future of Dask's."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        return bool(self._future.done())

    def result(self) -> Ended:
        ended: Ended = self._future.result()
        return ended


def load_dask(workers: int, address: str | None, folder: Path) -> Dask:
    """Return a launcher on the cluster whose scheduler is at ``address``, ``tcp://host:8786``.

    Raises:
        RunError: nobody answers there.
    """
    return Dask(workers, address, folder)


class Slurm:
    """Jobs of Slurm by submitit, an array of which ``workers`` run at once, in a partition."""

    def __init__(self, workers: int, partition: str | None, folder: Path) -> None:
        import submitit

        self._executor = submitit.AutoExecutor(folder=folder / "%j", cluster="slurm")
        self._options: dict[str, Any] = {"timeout_min": MINUTES, "slurm_array_parallelism": workers}
        self._options |= {"slurm_partition": partition} if partition else {}
        self._pending: list[Any] = []

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """Hand jobs to Slurm."""
        cores = max((job.threads for job in jobs), default=1)
        self._executor.update_parameters(cpus_per_task=cores, **self._options)
        self._pending = self._executor.map_array(run_job, jobs) if jobs else []
        return self._pending

    def close(self) -> None:
        """Cancel what has not ended."""
        for job in self._pending:
            if not job.done():
                job.cancel()


class WithoutSlurm:
    """The same by submitit's local executor: what Slurm would run, tried on this machine."""

    def __init__(self, workers: int, folder: Path) -> None:
        import submitit

        self._executor = submitit.AutoExecutor(folder=folder / "%j", cluster="local")
        self._executor.update_parameters(timeout_min=MINUTES)
        self._pool = ThreadPoolExecutor(workers, "gandem-launcher")
        self._pending: list[Any] = []

    def submit(self, jobs: Sequence[Job]) -> list[Future[Ended]]:
        """Take jobs; a thread waits for each, since submitit's own executor begins all at once."""
        return [self._pool.submit(self._run, job) for job in jobs]

    def _run(self, job: Job) -> Ended:
        pending = self._executor.submit(run_job, job)
        self._pending.append(pending)
        ended: Ended = pending.result()
        return ended

    def close(self) -> None:
        """Let nothing further begin, and what is running stop."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for job in self._pending:
            if not job.done():
                job.cancel()
        self._pool.shutdown()


def load_slurm(workers: int, address: str | None, folder: Path) -> Slurm | WithoutSlurm:
    """Return a launcher on Slurm; ``address`` is a partition, or ``"local"`` for no Slurm.

    Raises:
        RunError: there is no Slurm here, or ``folder`` cannot be made.
    """
    if address != "local" and shutil.which("sbatch") is None:
        raise RunError(
            "launcher: there is no Slurm here (no 'sbatch'); run this on a login node, or try it "
            "with --address local."
        )
    make_folder(folder)
    local = address == "local"
    return WithoutSlurm(workers, folder) if local else Slurm(workers, address, folder)


def at_once(threads: int, memory: int) -> int:
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
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return free


def load_launcher(name: str, workers: int, address: str | None, folder: Path) -> Launcher:
    """Return the launcher called ``name``.

    Args:
        folder: where it may keep files of its own; it need not be there yet.

    Raises:
        NotFoundError: no such launcher.
        BackendError, RunError: it cannot be had; the text says what to do.
    """
    entry = require("launchers", name)
    load = import_target(entry)
    with stdout_to_stderr():
        launcher: Launcher = load(workers, address, folder)
    if missing := find_missing(launcher, ("submit", "close")):
        raise NotFoundError(f"The {entry.full_name} is not a launcher: {missing}.")
    return launcher
