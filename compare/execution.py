"""The execution of a comparison, from the arguments of ``gandem compare`` to the report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gandem.compare.analysis.outcome import analyze
from gandem.compare.comparison import Comparison, plan
from gandem.compare.grid import MAX_SEEDS, Grid, check_grid, pick_backends
from gandem.compare.launchers import load_launcher
from gandem.compare.report.page import HTML_PAGE, write_comparison
from gandem.compare.results import check_results, write_tables
from gandem.compare.sweeps import Setting, format_changes, make_settings
from gandem.core.errors import GandemError, SpecError
from gandem.core.fields import hints
from gandem.core.files import check_file
from gandem.core.machine import count_cpus
from gandem.core.plugins.installation import install_command

FORMATS = ("html", "md", "csv", "json")
MEMORY_PER_RUN = 3 << 30
"""Bytes; a framework alone takes one or two GiB."""


def compare(
    models: str | Sequence[str],
    *,
    out: str | os.PathLike[str],
    backends: Sequence[str] = (),
    seeds: int = 3,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    changes: Mapping[str, Any] | None = None,
    format: str = "html",
    results: str | os.PathLike[str] | None = None,
    launcher: str = "local",
    address: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    confirm: Callable[[int], None] | None = None,
    on_poll: Callable[[Comparison, Mapping[str, str]], None] | None = None,
    on_interrupt: Callable[[], None] | None = None,
    **options: Any,
) -> Comparison:
    """Train models on several backends and seeds, everything else equal, and write a report.

    Args:
        models: names of models, or paths of spec files.
        out: the folder of the comparison; finished runs in it are skipped.
        backends: their ids; by default all that are installed.
        seeds: number of runs of each cell, with the seeds 0, 1, ….
        sweep: values of fields, ``{"latent": [16, 64]}``; the grid has all combinations. Fields
            that change together are joined, ``{"latent:width": [(16, 32), (64, 64)]}``.
        changes: values of fields in every spec, ``{"loss.name": "hinge"}``.
        format: the format of the report: ``"html"``, ``"md"``, ``"csv"``; ``"json"`` writes none.
        results: folder of the tables, for ``"md"`` and ``"csv"``; by default ``out``.
        launcher: the launcher that trains the runs; address: that of its workers.
        workers: number of concurrent runs; by default as many as cores and memory allow.
        threads: CPU threads of each run.
        confirm: called with the number of runs first; it raises an error to cancel.
        on_poll: called every half second with the comparison and the reasons of failed jobs.
        on_interrupt: called after Ctrl-C, before running jobs finish their steps.
        options: other fields of :class:`Grid` (data, steps, num_samples, …), and parameters of
            the models, ``width=32``, which are added to ``changes``.

    Raises:
        GandemError: an argument is not valid; nothing has been trained.
    """
    if threads < 1:
        raise SpecError(f"threads: expected at least 1, received {threads}.")
    if not 1 <= seeds <= MAX_SEEDS:
        raise SpecError(f"seeds: expected 1 to {MAX_SEEDS}, received {seeds}.")
    folder = None if results is None else Path(results)
    check_format(format, folder)
    known = hints(Grid)
    changes = {**(changes or {}), **{n: v for n, v in options.items() if n not in known}}
    options = {name: value for name, value in options.items() if name in known}
    grid = Grid(
        models=(models,) if isinstance(models, str) else tuple(models),
        settings=make_settings(sweep or {}, changes),
        backends=pick_backends(backends),
        seeds=tuple(range(seeds)),
        base=Setting(format_changes(changes)),
        **options,
    )
    if confirm is not None:
        confirm(len(grid.models) * len(grid.settings) * len(grid.backends) * seeds)
    comparison = plan(Path(out), check_grid(grid))
    if format == "html":
        check_file(comparison.path / HTML_PAGE)
    workers = workers or count_workers(threads, MEMORY_PER_RUN)
    launch = load_launcher(launcher, workers, address, comparison.path / "launcher")
    try:
        comparison.run_jobs(launch, threads, on_poll)
    except KeyboardInterrupt:
        if on_interrupt is not None:
            on_interrupt()
        raise
    finally:
        launch.close()
    write_report(comparison, format, folder)
    return comparison


def check_format(format: str, results: Path | None) -> None:
    """Check, before any run, that a report can be written.

    Raises:
        GandemError: Jinja2 is missing, or the folder of results cannot be written.
    """
    if format not in FORMATS:
        raise SpecError(f"format: expected {' or '.join(FORMATS)}, received {format!r}.")
    if format == "html" and find_spec("jinja2") is None:
        raise GandemError(
            f"The HTML report needs Jinja2. Install it with: {install_command('report')}, or "
            "choose another --format."
        )
    if results is not None and format not in ("md", "csv"):
        raise SpecError("results: --results needs --format md or csv.")
    if results is not None:
        check_results(results)


def write_report(
    comparison: Comparison, format: str, path: Path | None = None
) -> tuple[dict[str, Any], Path | None]:
    """Write the report of a comparison, and return its figures and its path.

    Args:
        path: the HTML file, by default ``index.html`` in the folder of the comparison; or the
            folder of the tables, by default that folder.

    Raises:
        RunError: the report cannot be written.
        DataError: the folder has tables that are not results.
    """
    if format == "html":
        return write_comparison(comparison, path), path or comparison.path / HTML_PAGE
    records = comparison.read_all()
    outcome = analyze(comparison, records)
    if format == "json":
        return outcome, None
    folder = path or comparison.path
    results, file = write_tables([comparison], folder, markdown=format == "md")
    return outcome | {"results": [result.to_data() for result in results]}, file


def count_workers(threads: int, memory: int) -> int:
    """Return how many runs fit on this machine at once, by its CPUs and its free memory.

    Args:
        threads: of each run.
        memory: bytes of each run.
    """
    by_cpus = count_cpus() // threads
    by_memory = _read_free_memory() // memory if memory else by_cpus
    return max(1, min(by_cpus, by_memory))


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
