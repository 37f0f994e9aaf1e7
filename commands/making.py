"""Commands that make images from a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from gandem.commands.frame import DEVICE, JSON, RUN, print_json


@click.command()
@RUN
@click.option("-n", "--count", type=click.IntRange(1), default=25, help="How many images.")
@click.option(
    "--label",
    type=int,
    show_default="all take turns",
    help="Class to make, from 0, for conditional models.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise.")
@click.option(
    "--backend", show_default="the run's own", help="Framework to generate on; any will do."
)
@DEVICE
@click.option(
    "--checkpoint",
    "which",
    default="last",
    metavar="NAME",
    help="last, best, or the step of a checkpoint that is there.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Use the last weights instead of their average, if the run keeps one.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="grid.png, or images.npz."
)
@JSON
def generate(run: Path, count: int, out: Path, as_json: bool, **options: Any) -> None:
    """Make images from RUN, whichever framework trained it.

    Without --label the classes of a conditional model take turns, a column each in the grid; so do
    the categories of a latent code.
    """
    from gandem.core.errors import RunError
    from gandem.core.runs import open_run
    from gandem.core.runs.progress import Bars

    if out.suffix.lower() not in (".png", ".npz"):
        raise RunError(f"{out}: expected a name that ends in .png (a grid) or .npz (arrays).")
    if not os.path.isdir(out.parent):
        raise RunError(f"{out}: there is no folder {out.parent}.")
    with Bars(quiet=as_json, unit="images") as bars:
        opened = open_run(run)
        made = opened.generate(
            count, **options, progress=lambda done: bars.show("generate", done, count)
        )
    made.save(out)
    if as_json:
        print_json({"out": str(out), "count": count, "run": str(run)})
    else:
        click.echo(f"{count} images in {out}")


COMMANDS = (generate,)
