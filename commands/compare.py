"""``gandem compare``: a grid of runs over models, settings, backends and seeds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gandem.commands.group import Interrupted, SectionedCommand
from gandem.commands.options import (
    CLASSES,
    DATA,
    DATA_DIR,
    DEVICE,
    EPOCHS,
    EXTRACTOR,
    FORMAT,
    JSON,
    NUM_SAMPLES,
    RESULTS,
    SET,
    STEPS,
    parse_changes,
    precision_option,
)

MAX_WORKERS = 4096
LARGE_GRID = 100  # runs: a larger grid has to be confirmed
SECTIONS = {
    "Grid": ("backends", "seeds", "sweep", "changes"),
    "Data and training": (
        "data",
        "data_dir",
        "classes",
        "epochs",
        "steps",
        "precision",
        "start_from",
    ),
    "Evaluation": ("num_samples", "extractor", "evaluate_every", "parity_steps"),
    "Execution": ("device", "launcher", "address", "workers", "threads", "yes"),
}


@click.command(cls=SectionedCommand, sections=SECTIONS)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--backends", metavar="A,B", show_default="all installed", help="Frameworks to compare."
)
@click.option(
    "--seeds", type=click.IntRange(1), default=3, help="Runs of each cell, with seeds 0, 1, …."
)
@click.option(
    "--sweep",
    multiple=True,
    metavar="FIELD=A,B,C",
    show_default="none",
    help="Values of a model parameter or a field of the spec; FIELD:FIELD=A:B,C:D changes two "
    "together. Can be repeated, for all combinations.",
)
@SET
@DATA
@DATA_DIR
@CLASSES
@EPOCHS
@STEPS
@precision_option("float32")
@click.option(
    "--from",
    "start_from",
    metavar="RUN|FILE",
    show_default="initial weights",
    help="Start all runs from the weights of a run, or of a .safetensors file.",
)
@DEVICE
@NUM_SAMPLES
@EXTRACTOR
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    metavar="EPOCHS",
    help="Epochs between evaluations, for curves and the best checkpoint; 0 for none.",
)
@click.option(
    "--parity-steps",
    type=click.IntRange(0),
    default=50,
    help="Steps over which each pair of backends is compared in float64; 0 for none.",
)
@click.option("--launcher", default="local", help="Where to train, see 'gandem list'.")
@click.option(
    "--address",
    metavar="ADDRESS",
    show_default="none",
    help="Address for the launcher, like that of a scheduler.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    show_default="as many as fit",
    help="Concurrent runs.",
)
@click.option(
    "--threads", type=click.IntRange(1, MAX_WORKERS), default=1, help="CPU threads per run."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the comparison; finished runs in it are skipped.",
)
@click.option(
    "--yes",
    is_flag=True,
    show_default="off",
    help=f"Do not ask for confirmation of {LARGE_GRID} runs or more.",
)
@FORMAT
@RESULTS
@JSON
def compare(
    models: tuple[str, ...],
    backends: str | None,
    sweep: tuple[str, ...],
    changes: tuple[str, ...],
    yes: bool,
    format: str,
    results: Path | None,
    as_json: bool,
    data_dir: Path | None,
    **options: Any,
) -> None:
    """Train MODELs on several backends and seeds; write a report.

    Everything else is equal: runs of the same seed have the same initial weights, batches and
    noise. Each run is a separate process; a failed run is reported in the result. Re-running
    resumes; finished runs are skipped.
    """
    from gandem.commands.report import print_report
    from gandem.compare import Table, check_format, parse_sweeps, write_report
    from gandem.compare import compare as run_comparison

    check_format(format, results)
    names = tuple(name.strip() for name in backends.split(",")) if backends else ()
    try:
        with Table(quiet=as_json or format == "json") as table:
            comparison = run_comparison(
                models,
                backends=names,
                sweep=parse_sweeps(sweep),
                changes=parse_changes(changes),
                data_dir=str(data_dir) if data_dir else None,
                format="json",
                confirm=None if yes else confirm_size,
                on_poll=table.show,
                on_interrupt=table.announce_stop,
                **options,
            )
    except KeyboardInterrupt:
        raise Interrupted("Interrupted. Run the same command again to resume.") from None
    outcome, path = write_report(comparison, format, results)
    print_report(outcome, path, as_json)
    if any(row["problem"] for row in (*outcome["cells"], *outcome["parity"])):
        sys.exit(1)


def confirm_size(count: int) -> None:
    """Ask for confirmation of a large grid."""
    if count < LARGE_GRID:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"The grid has {count:,} runs; confirm with --yes")
    click.confirm(f"The grid has {count:,} runs. Continue?", abort=True, err=True)


COMMAND = compare
