"""Commands that compare: a grid of trainings, and what came of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.commands.frame import (
    CLASSES,
    DATA,
    DATA_DIR,
    EPOCHS,
    JSON,
    PRECISION,
    SET,
    STEPS,
    Interrupted,
    print_json,
)

if TYPE_CHECKING:
    from gandem.core.compare import Comparison

MEMORY = 3 << 30
"""Bytes that a training takes, about: a framework alone has one or two thousand million."""
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
@click.option("-n", "--count", type=click.IntRange(1), default=10_000, help="Images to score.")
@click.option(
    "--extractor", metavar="NAME[:ARGUMENT]", show_default="what suits the data", help="Features."
)
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
    seeds: int,
    vary: tuple[str, ...],
    launcher: str,
    address: str | None,
    workers: int | None,
    threads: int,
    out: Path,
    yes: bool,
    as_json: bool,
    data_dir: Path | None,
    **options: Any,
) -> None:
    """Train MODELs on several backends with several seeds, everything else held equal.

    Each training is a process of its own: one that fails is a row of the result. Begun again, what
    is done is not done again.
    """
    from gandem.core.compare import (
        Grid,
        Table,
        at_once,
        check_grid,
        check_needs,
        plan,
        settings_from,
    )
    from gandem.core.registry import load_launcher

    check_needs()
    grid = Grid(
        models=models,
        settings=settings_from(vary),
        backends=tuple(part.strip() for part in backends.split(",")) if backends else (),
        seeds=tuple(range(seeds)),
        changes=options.pop("changes"),
        data_dir=str(data_dir) if data_dir else None,
        **options,
    )
    many(len(grid.cells()), yes)
    comparison = plan(out, check_grid(grid))
    launch = load_launcher(launcher, workers or at_once(threads, MEMORY), address, out / "launcher")
    try:
        with Table(quiet=as_json) as table:
            comparison.work(launch, threads, table.show)
    except KeyboardInterrupt:
        raise Interrupted("Interrupted. The same command goes on with it.") from None
    finally:
        launch.close()
    show(comparison, None, as_json)
    if any(comparison.ended().values()):
        sys.exit(1)


def many(count: int, yes: bool) -> None:
    """Ask before a grid that will take long."""
    if count < MANY or yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"The grid has {count:,} trainings; say --yes if you mean it")
    click.confirm(f"The grid has {count:,} trainings. Go on?", abort=True, err=True)


def show(comparison: Comparison, out: Path | None, as_json: bool) -> None:
    """Write the page, and say what is on it."""
    from gandem.core.compare import comparison_in_words, write_comparison

    found = write_comparison(comparison, out)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{comparison_in_words(found)}\n\n{out or comparison.path / 'index.html'}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="COMPARISON")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="index.html in it",
    help="The page to write.",
)
@JSON
def report(folder: Path, out: Path | None, as_json: bool) -> None:
    """Draw the page of COMPARISON again, as far as its trainings are."""
    from gandem.core.compare import check_needs, open_comparison

    check_needs()
    show(open_comparison(folder), out, as_json)


COMMANDS = (compare, report)
