"""Commands that compare: a grid of trainings, and what came of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gandem.commands.frame import (
    CLASSES,
    COUNT,
    DATA,
    DATA_DIR,
    DEVICE,
    EPOCHS,
    EXTRACTOR,
    JSON,
    PRECISION,
    SET,
    STEPS,
    Interrupted,
    print_json,
)

MANY = 100
"""Cells from which on a grid is asked about before it begins."""


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--backends", metavar="A,B", show_default="all installed", help="Frameworks to compare."
)
@click.option("--seeds", type=click.IntRange(1), default=3, help="Trainings of each cell: 0, 1, ….")
@click.option(
    "--vary",
    multiple=True,
    metavar="FIELD=A,B,C",
    show_default="nothing",
    help="A field of the spec, or a parameter of the model, and its values. Can be repeated.",
)
@SET
@DATA
@DATA_DIR
@CLASSES
@EPOCHS
@STEPS
@click.option("--precision", type=PRECISION, default="float32", help="Arithmetic.")
@DEVICE
@COUNT
@EXTRACTOR
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    help="Epochs between two scores while training, for the curves; 0 for none.",
)
@click.option(
    "--path-steps",
    type=click.IntRange(0),
    default=50,
    help="Steps that each two backends are followed side by side, in float64; 0 for none.",
)
@click.option("--launcher", default="local", help="Where to train, see 'gandem list'.")
@click.option(
    "--address", metavar="ADDRESS", show_default="none", help="The launcher's: a scheduler's, …."
)
@click.option(
    "--workers", type=click.IntRange(1), show_default="as many as fit", help="Trainings at once."
)
@click.option("--threads", type=click.IntRange(1), default=1, help="Of each training.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The comparison's folder; of one that is there, what is missing is done.",
)
@click.option("--yes", is_flag=True, show_default="off", help=f"Do not ask about {MANY} cells.")
@JSON
def compare(
    models: tuple[str, ...],
    backends: str | None,
    yes: bool,
    as_json: bool,
    data_dir: Path | None,
    **options: Any,
) -> None:
    """Train MODELs on backends and seeds; one page.

    Everything else is held equal: the same initial weights, batches and noise, seed by seed.
    Each training is a process of its own: one that fails is a row of the result. Begun again, what
    is done is not done again.
    """
    from gandem.compare import Table, outcome_of
    from gandem.compare import compare as train_all

    names = tuple(part.strip() for part in backends.split(",")) if backends else ()
    options["data_dir"] = str(data_dir) if data_dir else None
    try:
        with Table(quiet=as_json) as table:
            comparison = train_all(
                models,
                backends=names,
                ask=None if yes else many,
                look=table.show,
                **options,
            )
    except KeyboardInterrupt:
        raise Interrupted("Interrupted. The same command goes on with it.") from None
    show(comparison.path / "index.html", outcome_of(comparison), as_json)
    if any(comparison.ended().values()):
        sys.exit(1)


def many(count: int) -> None:
    """Ask before a grid that will take long."""
    if count < MANY:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"The grid has {count:,} trainings; say --yes if you mean it")
    click.confirm(f"The grid has {count:,} trainings. Go on?", abort=True, err=True)


def show(page: Path, found: dict[str, Any], as_json: bool) -> None:
    """Say what is on a page."""
    from gandem.compare import comparison_in_words

    if as_json:
        print_json(found)
    else:
        click.echo(f"{comparison_in_words(found)}\n\n{page}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="COMPARISON|RUN")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="index.html in it",
    help="The page to write.",
)
@JSON
def report(folder: Path, out: Path | None, as_json: bool) -> None:
    """Draw the page of a COMPARISON, or of a RUN.

    It shows what there is, also while trainings still go on.
    """
    from gandem.compare import check_needs, open_comparison, write_comparison

    check_needs()
    found = write_comparison(open_comparison(folder), out)
    show(out or folder / "index.html", found, as_json)


COMMANDS = (compare, report)
