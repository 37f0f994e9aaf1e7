"""``gandem generate``: images or points from a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    JSON,
    RUN,
    ClassType,
    choose_out,
    file_option,
    generator_options,
    out_option,
    seed_option,
)

GRID_COPIES = 8
"""The memory of a grid, by that of its images: itself with three channels, and what encodes it."""


@click.command()
@RUN
@click.option(
    "-n",
    "--num-samples",
    "count",
    type=click.IntRange(1),
    show_default="25; 1000 points; 8 with --pyramid",
    help="Images or points to generate.",
)
@click.option(
    "--label",
    type=ClassType(),
    show_default="each class in turn",
    help="Class to generate, its number from 0 or its name, for conditional models.",
)
@click.option(
    "--each-label",
    type=click.IntRange(1),
    metavar="N",
    show_default="off",
    help="Generate N images of every class from the same noise, one row per class.",
)
@file_option("--latent", "Generate from the vectors of an .npz that 'gandem project' wrote.")
@click.option(
    "--pyramid",
    is_flag=True,
    show_default="off",
    help="Show each image at all resolutions of the generator side by side, as of msg-gan.",
)
@click.option(
    "--reconstruct",
    "source",
    metavar="N|PATH",
    show_default="none",
    help="Encode and reconstruct N images of the training data, or those of a folder, zip or .npz "
    "file, with a model that has an encoder. Output: a table.png or arrays.npz.",
)
@seed_option("Random seed of the noise, or of the images to reconstruct.")
@generator_options
@out_option("Output: grid.png, images.npz, or folder/ with a PNG file per image.", "generate.png")
@JSON
def generate(
    run: Path,
    count: int | None,
    each_label: int | None,
    latent: Path | None,
    pyramid: bool,
    source: str | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Generate images from RUN, on any framework.

    RUN is a folder, a pretrained model like dcgan@digits (see 'gandem list --pretrained'), or
    hf://user/name.

    Without --label, the columns of the grid are the classes of a conditional model, or the
    categories of a latent code.
    """
    from gandem.commands.output import print_out
    from gandem.core.data.summary import format_few
    from gandem.core.errors import format_count
    from gandem.core.files import check_file, check_new_folder
    from gandem.core.runs import open_run
    from gandem.core.runs.generation.latents import read_latents
    from gandem.core.runs.generation.sampling import check_count, default_count
    from gandem.core.specs import Image
    from gandem.terminal.progress import ProgressBars
    from gandem.visualize.pyramid import DEFAULT_ROWS, draw_pyramid
    from gandem.visualize.traversal import each_label as generate_each_label

    if source is not None:
        others = (count, each_label, latent, options.pop("label"), options["truncation"], pyramid)
        if others != (None, None, None, None, None, False):
            raise click.UsageError(
                "--reconstruct cannot be combined with --num-samples, --label, --each-label, "
                "--latent, --truncation or --pyramid."
            )
        _reconstruct(run, source, out, as_json, **options)
        return
    out = choose_out(out, run, "generate.png")
    if os.path.isdir(out) or not out.suffix:
        check_new_folder(out)
    else:
        check_file(out, {".png": "a grid", ".npz": "arrays", "": "a folder of images"})
    if each_label is not None and (count, options["label"]) != (None, None):
        raise click.UsageError("--each-label cannot be combined with --num-samples or --label.")
    drawn = (count, each_label, options["label"], options["truncation"])
    if latent is not None and drawn != (None, None, None, None):
        raise click.UsageError(
            "--latent cannot be combined with --num-samples, --each-label, --label or --truncation."
        )
    if pyramid and (each_label, latent) != (None, None):
        raise click.UsageError("--pyramid cannot be combined with --each-label or --latent.")
    if pyramid and out.suffix.lower() != ".png":
        raise click.UsageError(f"--pyramid draws one picture; expected a .png, received {out}.")
    vectors = None if latent is None else read_latents(latent)
    with ProgressBars(quiet=as_json, unit="images") as bars:
        opened = open_run(run)
        default = DEFAULT_ROWS if pyramid else default_count(opened.spec)
        default = default if vectors is None else len(vectors.vectors)
        number = each_label * opened.spec.classes if each_label else count or default
        label = options["label"]
        empty = set(opened.record.data.empty_classes)
        if label is not None:
            empty &= {opened.find_label(label)}
        if empty and opened.spec.classes:
            names = format_few([str(number) for number in sorted(empty)])
            bars.print(f"{run}: the training data has no images of class {names}.")

        def show(done: int) -> None:
            bars.show("generate", done, number)

        if vectors is not None:
            opened.generate(**options, latent=vectors, progress=show).save(out)
        elif each_label is not None:
            options.pop("label")
            images, table = generate_each_label(opened, each_label, **options, progress=show)
        elif pyramid:
            table = draw_pyramid(opened, number, **options)
        elif out.suffix.lower() != ".png" or out.is_dir():
            opened.save(out, number, **options, progress=show)
        else:
            check_count(opened.spec, number, copies=GRID_COPIES)
            opened.generate(number, **options, progress=show).save(out)
    if pyramid or (each_label is not None and out.suffix.lower() == ".png"):
        table.save(out)
    elif each_label is not None:
        images.save(out)
    noun = "image" if isinstance(opened.spec.image, Image) else "point"
    print_out(out, as_json, format_count(number, noun), run=str(run), count=number)


def _reconstruct(run: Path, source: str, out: Path | None, as_json: bool, **options: Any) -> None:
    """Write images of a data set or a path with their encodings and reconstructions."""
    from gandem.commands.output import print_out
    from gandem.core.errors import format_count
    from gandem.core.files import check_file
    from gandem.visualize.reconstruction import reconstruct

    out = choose_out(out, run, "reconstruct.png")
    check_file(out, {".png": "a table", ".npz": "arrays"})
    chosen = int(source) if source.isdecimal() and len(source) < 10 else Path(source)
    result = reconstruct(run, chosen, **options)
    result.save(out)
    count = len(result.images)
    print_out(out, as_json, format_count(count, "image"), run=str(run), count=count)


COMMAND = generate
