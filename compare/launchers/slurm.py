"""A launcher that runs jobs with Slurm, through submitit."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gandem.compare.jobs import Job, JobResult, run_job
from gandem.core.errors import RunError
from gandem.core.files import make_folder

TIME_LIMIT = 24 * 60
"""Minutes per job; re-running the comparison resumes a job that was cut off."""


class Slurm:
    """A Slurm job array in a partition, of which ``workers`` jobs run at a time."""

    def __init__(self, workers: int, partition: str | None, folder: Path) -> None:
        import submitit

        self._executor = submitit.AutoExecutor(folder=folder / "%j", cluster="slurm")
        self._options: dict[str, Any] = {
            "timeout_min": TIME_LIMIT,
            "slurm_array_parallelism": workers,
        }
        self._options |= {"slurm_partition": partition} if partition else {}
        self._pending: list[Any] = []

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """Submit jobs as one array."""
        cores = max((job.threads for job in jobs), default=1)
        self._executor.update_parameters(cpus_per_task=cores, **self._options)
        self._pending = self._executor.map_array(run_job, jobs) if jobs else []
        return self._pending

    def close(self) -> None:
        """Cancel the jobs that have not ended."""
        _cancel(self._pending)


class LocalSubmitit:
    """Jobs with submitit's local executor: a test of the Slurm launcher on this machine."""

    def __init__(self, workers: int, folder: Path) -> None:
        import submitit

        self._executor = submitit.AutoExecutor(folder=folder / "%j", cluster="local")
        self._executor.update_parameters(timeout_min=TIME_LIMIT)
        self._pool = ThreadPoolExecutor(workers, "gandem-launcher")
        self._pending: list[Any] = []

    def submit(self, jobs: Sequence[Job]) -> list[Future[JobResult]]:
        """Start jobs; threads limit their number, since the executor starts all at once."""
        return [self._pool.submit(self._run, job) for job in jobs]

    def _run(self, job: Job) -> JobResult:
        pending = self._executor.submit(run_job, job)
        self._pending.append(pending)
        ended: JobResult = pending.result()
        return ended

    def close(self) -> None:
        """Stop running jobs and cancel the others."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        _cancel(self._pending)
        self._pool.shutdown()


def _cancel(jobs: Sequence[Any]) -> None:
    for job in jobs:
        if not job.done():
            job.cancel()


def load(workers: int, address: str | None, folder: Path) -> Slurm | LocalSubmitit:
    """Return a launcher on Slurm; ``address`` is a partition, or ``"local"`` to do without Slurm.

    Raises:
        RunError: Slurm is not installed, or ``folder`` cannot be created.
    """
    if address != "local" and shutil.which("sbatch") is None:
        raise RunError(
            "Slurm is not available here: there is no 'sbatch'. Run this on a login node, or test "
            "it with --address local."
        )
    make_folder(folder)
    if address == "local":
        return LocalSubmitit(workers, folder)
    return Slurm(workers, address, folder)
