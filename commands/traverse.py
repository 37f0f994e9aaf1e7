"""``gandem traverse``: a table of images over chosen values of the noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    JSON,
    RUN,
    SPACE,
    ClassType,
    choose_out,
    generator_options,
    out_option,
    pixels_option,
    seed_option,
)


@click.command()
@RUN
@click.option(
    "--values",
    default="-1:1:10",
    metavar="FIRST:LAST:COUNT",
    help="Values of the noise, or distances along --direction; or a list, like -2,0,2.",
)
@click.option(
    "--direction",
    metavar="FILE[:N]",
    show_default="none",
    help="Move the noise along directions of 'gandem directions', or along number N, from 0.",
)
@click.option(
    "--dimension",
    "dimensions",
    multiple=True,
    metavar="I,J",
    show_default="all together",
    help="Dimensions of the noise to change one at a time, from 0, one row each; or 'code'. Can be "
    "repeated.",
)
@SPACE
@click.option(
    "--label",
    type=ClassType(),
    show_default="one row each; 0 with several dimensions",
    help="Class of a conditional model, or category of a latent code.",
)
@seed_option("Random seed of the noise.")
@pixels_option(56)
@generator_options
@out_option("Output file: row.png.", "traverse.png")
@JSON
def traverse(
    run: Path,
    values: str,
    dimensions: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw images for chosen noise values, one per column.

    Without --dimension all dimensions of the noise have the value. With --space w the values are
    added to dimensions of the style of --seed.
    """
    from gandem.commands.output import print_out
    from gandem.core.files import check_file
    from gandem.visualize.traversal import parse_values, traverse

    out = choose_out(out, run, "traverse.png")
    check_file(out, {".png": "a table of images"})
    columns = parse_values(values)
    table = traverse(run, columns, dimensions=",".join(dimensions) or (), **options)
    table.save(out)
    data = {"values": columns, "rows": table.rows}
    content = f"{table.images.shape[0]} × {len(columns)} images"
    print_out(out, as_json, content, run=str(run), **data)


COMMAND = traverse
