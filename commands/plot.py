"""``gandem plot``: loss curves of runs."""

from __future__ import annotations

from pathlib import Path

import click

from gandem.commands.options import JSON, out_option


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@out_option("Output file: curves.png or curves.svg.")
@JSON
def plot(runs: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Plot losses, accuracies and diagnostics of runs.

    The plot includes some samples of each run.
    """
    from gandem.commands.output import print_out
    from gandem.visualize.curves import draw_curves

    draw_curves(runs, out)
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    print_out(out, as_json, f"curves of {number}", runs=[str(run) for run in runs])


COMMAND = plot
