"""``gandem profile``: the time of a training step, part by part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    BACKEND,
    CLASSES,
    DATA,
    DATA_DIR,
    DEVICE,
    JSON,
    PRECISION,
    RANDOMNESS,
    SET,
    parse_changes,
)


@click.command()
@click.argument("model")
@BACKEND
@DATA
@DATA_DIR
@CLASSES
@SET
@click.option("--steps", type=click.IntRange(2), default=100, help="Steps to measure.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    show_default="none",
    help="Also write the framework's own profile of 5 more steps: a Chrome trace of PyTorch, a "
    "folder for TensorBoard of TensorFlow.",
)
@PRECISION
@RANDOMNESS
@DEVICE
@JSON
def profile(
    model: str, changes: tuple[str, ...], trace: Path | None, as_json: bool, **settings: Any
) -> None:
    """Measure the time of each part of a training step.

    The training runs in a temporary folder: docs/profile.md.
    """
    from gandem.commands.output import print_json
    from gandem.commands.render_reports import format_profile
    from gandem.core.runs import Settings
    from gandem.profiler import profile
    from gandem.terminal.progress import ProgressBars

    with ProgressBars(quiet=as_json, unit="rounds") as bars:
        measured = profile(
            model,
            settings=Settings(**settings),
            changes=parse_changes(changes),
            trace=trace,
            progress=lambda done, total: bars.show(model, done, total),
            notice=bars.print,
        )
    if as_json:
        print_json(measured.to_data())
    else:
        click.echo(format_profile(measured))
        if trace is not None:
            click.echo(f"\nThe framework's own profile is in {trace}")


COMMAND = profile
