"""``gandem mix``: a table of images with the styles of two others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    JSON,
    RUN,
    ClassType,
    choose_out,
    generator_options,
    out_option,
    pixels_option,
)


@click.command()
@RUN
@click.option(
    "--rows", default="0:5", metavar="FIRST:END", help="Seeds of the rows; or a list, like 85,100."
)
@click.option("--columns", default="5:10", metavar="FIRST:END", help="Seeds of the columns.")
@click.option(
    "--layers",
    default="coarse",
    metavar="WHICH",
    help="Styles that come from the column: coarse, middle or fine, a third of the layers each, or "
    "FIRST:END, like 0:4.",
)
@click.option("--label", type=ClassType(), show_default="0", help="Class of a conditional model.")
@pixels_option(64)
@generator_options
@out_option("Output file: mix.png.", "mix.png")
@JSON
def mix(run: Path, out: Path | None, as_json: bool, **options: Any) -> None:
    """Mix the styles of images, for models with styles like stylegan2.

    Each image has the styles of its row, but in some layers those of its column. The first row and
    the first column show the images that are mixed.
    """
    from gandem.commands.output import print_out
    from gandem.core.files import check_file
    from gandem.visualize.mixing import mix

    out = choose_out(out, run, "mix.png")
    check_file(out, {".png": "a table of images"})
    table = mix(run, **options)
    table.save(out)
    down, across = (count - 1 for count in table.images.shape[:2])
    data = {"rows": table.rows[1:], "columns": table.columns[1:], "layers": options["layers"]}
    print_out(out, as_json, f"{down} × {across} mixed images", run=str(run), **data)


COMMAND = mix
