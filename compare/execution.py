"""Running a comparison: from the arguments of ``gandem compare`` to the report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gandem.compare.comparison import Comparison, plan
from gandem.compare.grid import MOST_SEEDS, Grid, backends_of, check_grid, settings_from
from gandem.compare.launchers import load_launcher
from gandem.compare.outcome import check_needs
from gandem.compare.report.page import write_comparison
from gandem.core.errors import SpecError

__all__ = ["compare", "count_workers"]

MEMORY_PER_RUN = 3 << 30
"""Bytes; a framework alone takes one or two GiB."""


def compare(
    models: str | Sequence[str],
    *,
    out: str | os.PathLike[str],
    backends: Sequence[str] = (),
    seeds: int = 3,
    sweep: Sequence[str] = (),
    changes: Sequence[str] = (),
    launcher: str = "local",
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    ask: Callable[[int], None] | None = None,
    look: Callable[[Comparison, Mapping[str, str]], None] | None = None,
    **options: Any,
) -> Comparison:
    """Train models on several backends with several seeds, everything else held equal, and write
    the page of it.

    Args:
        models: names of models, or paths of specs.
        out: the comparison's folder; of one that is there, what is missing is done.
        backends: their ids; left out, all that are installed.
        seeds: trainings of each cell, with the seeds 0, 1, ….
        sweep: fields and values, ``["latent=16,64"]``; the grid has all combinations.
        changes: fields of every spec, ``["width=32"]``.
        launcher: who runs the trainings, and address: where, see ``gandem list``.
        workers: trainings at once; left out, as many as cores and memory allow.
        threads: of each training.
        ask: called with the number of trainings before anything is done; raises to refuse.
        look: called every half second with the comparison and with what has failed, and why.
        options: further fields of :class:`Grid`: data, steps, device, count, ….

    Raises:
        GandemError: something is not there or does not fit; nothing has been trained.
    """
    check_needs()
    if threads < 1:
        raise SpecError(f"threads: expected at least 1, received {threads}.")
    if not 1 <= seeds <= MOST_SEEDS:
        raise SpecError(f"seeds: expected 1 to {MOST_SEEDS}, received {seeds}.")
    grid = Grid(
        models=(models,) if isinstance(models, str) else tuple(models),
        settings=settings_from(sweep, changes),
        backends=backends_of(backends),
        seeds=tuple(range(seeds)),
        changes=tuple(changes),
        **options,
    )
    if ask is not None:
        ask(len(grid.models) * len(grid.settings) * len(grid.backends) * seeds)
    comparison = plan(Path(out), check_grid(grid))
    workers = workers or count_workers(threads, MEMORY_PER_RUN)
    launch = load_launcher(launcher, workers, address, comparison.path / "launcher")
    try:
        comparison.work(launch, threads, look)
    finally:
        launch.close()
    write_comparison(comparison)
    return comparison


def count_workers(threads: int, memory: int) -> int:
    """Return how many runs fit on this machine at a time, by its cores and its free memory.

    Args:
        threads: of each run.
        memory: bytes of each run.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    by_cores = (cores or 1) // threads
    by_memory = _read_free_memory() // memory if memory else by_cores
    return max(1, min(by_cores, by_memory))


def _read_free_memory() -> int:
    """Return the bytes of memory that are free on this machine, within the limit of the cgroup."""
    free = 1 << 62
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text("ascii")))
    return free
