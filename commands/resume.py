"""``gandem resume``: continue a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import DATA_DIR, JSON, RUN


@click.command()
@RUN
@click.option("--backend", show_default="the run's own", help="Framework to continue on.")
@click.option("--device", show_default="the run's own", help="cpu, cuda, cuda:1, auto.")
@click.option(
    "--steps", type=click.IntRange(1), show_default="as planned", help="New total number of steps."
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    show_default="as planned",
    help="New total number of epochs.",
)
@click.option(
    "--data",
    metavar="NAME[:ARGUMENT]",
    show_default="the run's own",
    help="New location of the same data.",
)
@DATA_DIR
@click.option(
    "--allow-changed",
    multiple=True,
    metavar="FIELD",
    show_default="none",
    help="Accept a changed FIELD of spec.toml, or changed 'data'. Can be repeated.",
)
@JSON
def resume(run: Path, as_json: bool, **options: Any) -> None:
    """Continue RUN from its newest intact checkpoint.

    On the same framework the result is bit-identical to an uninterrupted run. Another framework
    continues from the same state.
    """
    from gandem.commands.train import print_outcome, report_progress
    from gandem.core.runs import resume

    with report_progress(run.name, quiet=as_json) as callbacks:
        resumed = resume(run, **options, **callbacks)
    print_outcome(resumed, as_json)


COMMAND = resume
