"""``gandem parity``: the measured difference between two backends."""

from __future__ import annotations

import sys
from typing import Any

import click

from gandem.commands.options import (
    DATA_DIR,
    DIGITS,
    JSON,
    SET,
    classes_option,
    parse_changes,
    precision_option,
    seed_option,
    size_option,
)


@click.command()
@click.argument("model")
@click.option(
    "--backends",
    default="",
    metavar="A,B",
    show_default="the two installed",
    help="Backends to compare.",
)
@click.option("--steps", type=click.IntRange(1), default=200, help="Training steps.")
@precision_option("float64")
@size_option("small")
@click.option(
    "--tier",
    type=click.Choice(["auto", "trajectory", "step", "baseline", "handover"]),
    default="auto",
    help="Tolerance to apply; auto: trajectory (float64, small), step (float32), baseline (full).",
)
@seed_option()
@DIGITS
@DATA_DIR
@classes_option("all")
@SET
@JSON
def parity(
    model: str, backends: str, changes: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Measure the difference between two backends on MODEL.

    The exit code is 0 if the difference is within the tolerance, and 1 if not.
    """
    from gandem.commands.output import print_json
    from gandem.commands.render_reports import format_parity
    from gandem.parity import measure
    from gandem.terminal.progress import ProgressBars

    names = [name.strip() for name in backends.split(",") if name.strip()]
    with ProgressBars(quiet=as_json) as bars:

        def show(backend: str, step: int) -> None:
            bars.show(backend, step, options["steps"])

        report = measure(
            model, backends=names, changes=parse_changes(changes), progress=show, **options
        )
    if as_json:
        print_json(report.to_data())
    else:
        click.echo(format_parity(report))
    sys.exit(0 if report.holds else 1)


COMMAND = parity
