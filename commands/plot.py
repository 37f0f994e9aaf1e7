"""``gandem plot``: loss curves of runs."""

from __future__ import annotations

from pathlib import Path

import click

from gandem.commands.options import JSON, choose_out, out_option


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@out_option("Output file: curves.png or curves.svg.", "plot.png")
@JSON
def plot(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Plot losses, accuracies and diagnostics of runs.

    The plot includes some samples of each run.
    """
    from gandem.commands.output import print_out
    from gandem.core.errors import format_count
    from gandem.visualize.curves import draw_curves

    out = choose_out(out, runs[0], "plot.png")
    draw_curves(runs, out)
    content = f"curves of {format_count(len(runs), 'run')}"
    print_out(out, as_json, content, runs=[str(run) for run in runs])


COMMAND = plot
