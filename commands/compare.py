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
    JSON,
    NUM_SAMPLES,
    SET,
    STEPS,
    precision_option,
)

LARGE_GRID = 100  # runs: a larger grid has to be confirmed
SECTIONS = {
    "Grid": ("backends", "seeds", "sweep", "changes"),
    "Data and training": ("data", "data_dir", "classes", "epochs", "steps", "precision"),
    "Evaluation": ("count", "extractor", "evaluate_every", "path_steps"),
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
    help="Values of a model parameter or a field of the spec. Can be repeated.",
)
@SET
@DATA
@DATA_DIR
@CLASSES
@EPOCHS
@STEPS
@precision_option("float32")
@DEVICE
@NUM_SAMPLES
@EXTRACTOR
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    metavar="EPOCHS",
    help="Epochs between evaluations, for the curves; 0 for none.",
)
@click.option(
    "--path-steps",
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
    "--workers", type=click.IntRange(1), show_default="as many as fit", help="Concurrent runs."
)
@click.option("--threads", type=click.IntRange(1), default=1, help="CPU threads per run.")
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
@JSON
def compare(
    models: tuple[str, ...],
    backends: str | None,
    yes: bool,
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
    from gandem.compare import Table, outcome_of
    from gandem.compare import compare as run_comparison

    names = tuple(name.strip() for name in backends.split(",")) if backends else ()
    options["data_dir"] = str(data_dir) if data_dir else None
    try:
        with Table(quiet=as_json) as table:
            comparison = run_comparison(
                models,
                backends=names,
                ask=None if yes else confirm_size,
                look=table.show,
                **options,
            )
    except KeyboardInterrupt:
        raise Interrupted("Interrupted. Run the same command again to resume.") from None
    print_report(comparison.path / "index.html", outcome_of(comparison), as_json)
    if any(comparison.ended().values()):
        sys.exit(1)


def confirm_size(count: int) -> None:
    """Ask for confirmation of a large grid."""
    if count < LARGE_GRID:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"The grid has {count:,} runs; confirm with --yes")
    click.confirm(f"The grid has {count:,} runs. Continue?", abort=True, err=True)


COMMAND = compare
