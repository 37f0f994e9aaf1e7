"""``gandem data``: the contents and problems of a data set."""

from __future__ import annotations

from pathlib import Path

import click

from gandem.commands.options import DATA_DIR, JSON


@click.command()
@click.argument("name", metavar="PATH|NAME[:ARGUMENT]")
@DATA_DIR
@click.option(
    "-n",
    "--num-samples",
    "count",
    type=click.IntRange(1, 50),
    default=10,
    help="Images per class in the picture.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="none",
    help="Picture of sample images to write, like sheet.png.",
)
@JSON
def data(name: str, data_dir: Path | None, count: int, out: Path | None, as_json: bool) -> None:
    """Show a data set: counts, sizes, problems, samples.

    NAME is one from 'gandem list'; a PATH alone means folder:PATH.
    """
    from gandem.commands.output import print_json
    from gandem.commands.render_dataset import describe_dataset, format_dataset
    from gandem.visualize.dataset import inspect_dataset

    summary = inspect_dataset(name, data_dir, count=count, out=out, quiet=as_json)
    if as_json:
        print_json(describe_dataset(summary) | ({"out": str(out)} if out else {}))
    else:
        click.echo(format_dataset(summary))
        if out:
            click.echo(f"samples in {out}")


COMMAND = data
