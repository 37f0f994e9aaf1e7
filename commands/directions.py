"""``gandem directions``: directions of the latent space along which images change most."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from gandem.commands.options import (
    JSON,
    RUN,
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
    "--method",
    type=click.Choice(["pca", "weights"]),
    default="pca",
    help="pca: principal components of a layer's outputs (GANSpace). weights: singular vectors of "
    "the first layer's weights (SeFa).",
)
@click.option(
    "--layer",
    show_default="the one before the second kernel",
    help="Layer of the generator whose outputs 'pca' analyzes.",
)
@click.option(
    "-n", "--count", type=click.IntRange(1, 1000), default=8, help="Directions to compute."
)
@click.option(
    "--samples", type=click.IntRange(2, 1_000_000), default=2000, help="Noise vectors for 'pca'."
)
@click.option(
    "--values",
    default="-6:6:7",
    metavar="FIRST:LAST:COUNT",
    help="Distances on the contact sheet; or a list, like -2,0,2.",
)
@click.option(
    "--label",
    type=ClassType(),
    show_default="0",
    help="Class of a conditional model on the sheet.",
)
@seed_option("Random seed of the noise.")
@pixels_option(56)
@generator_options
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    show_default="OUT.png",
    help="PNG of what each direction does, one row each.",
)
@out_option("Output file of the directions: directions.npz.", "directions.npz")
@JSON
def directions(
    run: Path,
    method: Literal["pca", "weights"],
    layer: str | None,
    count: int,
    samples: int,
    values: str,
    sheet: Path | None,
    out: Path | None,
    as_json: bool,
    seed: int,
    **options: Any,
) -> None:
    """Find directions of the noise that change images most.

    Use them with 'gandem traverse --direction FILE:N'.
    """
    from gandem.commands.output import print_out
    from gandem.core.errors import format_count
    from gandem.core.files import check_file
    from gandem.core.runs import open_run
    from gandem.optimize.directions import directions
    from gandem.visualize.latent import check_class, is_conditional
    from gandem.visualize.traversal import parse_values, traverse

    out = choose_out(out, run, "directions.npz")
    check_file(out, {".npz": "arrays"})
    sheet = sheet or out.with_suffix(".png")
    check_file(sheet, {".png": "a table of images"})
    columns, size, label = parse_values(values), options.pop("size"), options.pop("label")
    opened = open_run(run)
    if is_conditional(opened.spec) or label is not None:
        label = check_class(opened.spec, opened.find_label(label or 0))
    result = directions(
        opened, method=method, layer=layer, count=count, samples=samples, seed=seed, **options
    )
    table = traverse(
        opened, columns, direction=result.vectors, seed=seed, size=size, label=label, **options
    )
    result.save(out)
    table.save(sheet)
    data = {"method": method, "layer": result.layer, "shares": result.shares.tolist()}
    content = f"{format_count(len(result.vectors), 'direction')} (drawn in {sheet})"
    print_out(out, as_json, content, run=str(run), sheet=str(sheet), **data)


COMMAND = directions
