"""``gandem export``: a trained network in a file that runs without gandem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import CHECKPOINT, EMA, JSON, choose_out


@click.command()
@click.argument("runs", metavar="RUN...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--format", "format_", required=True, metavar="NAME", help="Format, see 'gandem list'."
)
@click.option("--player", default="generator", help="Network to export, like discriminator.")
@click.option(
    "--labels",
    type=click.Choice(["integers", "weights"]),
    show_default="the first that the format has",
    help="What the network reads as classes: integers, the numbers of classes (N,), or weights, "
    "(N, classes), for images between classes.",
)
@click.option(
    "--pixels",
    type=click.Choice(["float32", "uint8"]),
    show_default="float32",
    help="Images of the exported network: float32, in the range of the model, or uint8.",
)
@click.option(
    "--backend",
    show_default="that of the format, or the run's own",
    help="Framework to compare with.",
)
@CHECKPOINT
@EMA
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="RUN-PLAYER and the ending of the format",
    help="File, or new folder, to write.",
)
@JSON
def export(
    runs: tuple[Path, ...],
    format_: str,
    player: str,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Export the network of RUN to a file that runs without gandem.

    The file is compared with the run on 64 fixed latents before it is moved into place. Facts and
    the largest difference are in a JSON file beside it, or inside of a folder.
    """
    from gandem.commands.output import print_out
    from gandem.core.export import load_exporter
    from gandem.core.machine import format_size
    from gandem.core.runs.export import export

    if out is None:
        exporter = load_exporter(format_)
        out = choose_out(None, runs[0], f"{player}{exporter.suffix or f'-{format_}'}")
    result = export(runs, format_, out, player=player, **options)
    size = format_size(result.size)
    content = f"{player}, {format_}, {size}, differs by at most {result.difference:.1e},"
    names = [str(run) for run in runs]
    print_out(out, as_json, content, runs=names, size=result.size, **result.description)


COMMAND = export
