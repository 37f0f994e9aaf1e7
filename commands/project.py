"""``gandem project``: the latent vectors that reproduce given images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.group import SectionedCommand
from gandem.commands.options import (
    CHECKPOINT,
    DEVICE,
    EMA,
    GENERATE_BACKEND,
    JSON,
    RUN,
    ClassType,
    choose_out,
    file_option,
    out_option,
    pixels_option,
    seed_option,
)

SECTIONS = {
    "Search": ("label", "space", "steps", "restarts", "learning_rate", "seed"),
    "Loss": ("features", "feature_weight", "noise", "prior_weight"),
    "Generator": ("backend", "device", "checkpoint", "ema"),
}


@click.command(cls=SectionedCommand, sections=SECTIONS)
@RUN
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--label",
    type=ClassType(),
    show_default="searched",
    help="Class of all images, of a conditional model.",
)
@click.option(
    "--space",
    type=click.Choice(["z", "w"]),
    show_default="w of a generator with styles, else z",
    help="Search the noise z, or the styles w.",
)
@click.option(
    "--steps", type=click.IntRange(1, 100_000), default=1000, help="Updates of each vector."
)
@click.option(
    "--restarts", type=click.IntRange(1, 1000), default=4, help="Vectors to try for each image."
)
@click.option(
    "--learning-rate",
    show_default="cosine(0.1, 0.002, 1 epoch)",
    metavar="NUMBER|SCHEDULE",
    help="Learning rate of Adam; all steps are one epoch.",
)
@seed_option("Random seed of the first vectors.")
@click.option(
    "--features",
    metavar="NAME[:ARGUMENT]",
    show_default="lenet5 for its data, else none",
    help="Features to compare beside the pixels, see 'gandem list'; '' for none.",
)
@click.option(
    "--feature-weight", type=click.FloatRange(0), default=0.01, help="Weight of the features."
)
@click.option(
    "--noise",
    type=click.FloatRange(0),
    default=0.02,
    help="Standard deviation of noise on the vectors, which falls to 0.",
)
@click.option(
    "--prior-weight",
    type=click.FloatRange(0),
    default=1e-4,
    help="Weight that keeps normal vectors at their usual length.",
)
@GENERATE_BACKEND
@DEVICE
@CHECKPOINT
@EMA
@file_option("--beside", "PNG of the images above what the generator makes of the vectors.")
@pixels_option(56)
@out_option("Output file of the vectors: vectors.npz.", "project.npz")
@JSON
def project(
    run: Path,
    images: tuple[str, ...],
    learning_rate: str | None,
    beside: Path | None,
    size: int | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the latent vectors from which RUN generates images.

    Use them with 'gandem generate --latent' or 'gandem interpolate --latent'.
    """
    from gandem.commands.output import print_out
    from gandem.core.errors import format_count
    from gandem.core.files import check_file
    from gandem.optimize.minimization import parse_optimizer
    from gandem.optimize.projection import OPTIMIZER, project
    from gandem.terminal.progress import ProgressBars

    out = choose_out(out, run, "project.npz")
    check_file(out, {".npz": "arrays"})
    if beside is not None:
        check_file(beside, {".png": ""})
    optimizer = parse_optimizer(learning_rate, OPTIMIZER)
    with ProgressBars(quiet=as_json) as bars:
        result = project(
            run,
            images,
            optimizer=optimizer,
            progress=lambda done, error: bars.show(
                "project", done, options["steps"], f"error {error:.2f}/255"
            ),
            **options,
        )
    result.save(out)
    if beside is not None:
        result.table(size).save(beside)
    errors = result.errors
    summary = f"{format_count(len(images), 'vector')}, mean absolute error {errors.mean():.2f}/255"
    labels = result.latent.labels
    data = {} if labels is None else {"labels": labels.tolist()}
    data |= {"errors": errors.tolist(), "features": result.features}
    print_out(out, as_json, f"{summary} (worst {errors.max():.2f}),", run=str(run), **data)


COMMAND = project
