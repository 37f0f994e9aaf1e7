"""``gandem interpolate``: an animation between two classes, categories or noise vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.commands.group import SectionedCommand
from gandem.commands.options import (
    COLORS,
    JSON,
    LOOP,
    RUN,
    SPACE,
    ClassType,
    choose_out,
    file_option,
    fps_option,
    generator_options,
    out_option,
    pixels_option,
    seed_option,
)

if TYPE_CHECKING:
    from gandem.core.runs.generation.latents import LatentVectors
    from gandem.visualize.animation import Animation

SECTIONS = {
    "Interpolation": (
        "start",
        "end",
        "from_image",
        "to_image",
        "latent",
        "between",
        "space",
        "path",
        "num_samples",
        "label",
        "seed",
    ),
    "Animation": ("frames", "size", "fps", "loop", "colors", "bounce"),
    "Generator": ("backend", "device", "checkpoint", "ema", "truncation"),
}


@click.command(cls=SectionedCommand, sections=SECTIONS)
@RUN
@click.option(
    "--from",
    "start",
    type=ClassType(),
    default=0,
    help="First class, its number or name; or first seed between noise.",
)
@click.option(
    "--to", "end", type=ClassType(), default=1, help="Last class, or last seed between noise."
)
@file_option("--from-image", "First image; its latent vector is found as by 'gandem project'.")
@file_option("--to-image", "Last image.")
@file_option("--latent", "The .npz of 'gandem project' with the first and last vector.")
@click.option(
    "--between",
    type=click.Choice(["label", "category", "noise"]),
    show_default="label of a conditional model, else noise",
    help="What changes: the label, the category of a latent code, or the noise.",
)
@SPACE
@click.option(
    "--path",
    type=click.Choice(["spherical", "linear"]),
    show_default="spherical for normal noise, else linear",
    help="Path between two noise vectors.",
)
@click.option(
    "--frames",
    type=click.IntRange(2, 100_000),
    show_default="200; 10 in a .png",
    help="Number of frames, including those of --bounce.",
)
@pixels_option(96)
@click.option(
    "-n",
    "--num-samples",
    type=click.IntRange(1, 10_000),
    default=1,
    help="Noise vectors, side by side in each frame.",
)
@click.option(
    "--label",
    type=ClassType(),
    show_default="each class in turn",
    help="Fixed class while the noise changes.",
)
@seed_option("Random seed of the noise.")
@fps_option(20)
@LOOP
@COLORS
@click.option("--bounce", is_flag=True, show_default="off", help="Play forward and then backward.")
@generator_options
@out_option("Output file: morph.gif, morph.mp4, or a strip.png.", "interpolate.gif")
@JSON
def interpolate(
    run: Path,
    start: int | str,
    end: int | str,
    from_image: Path | None,
    to_image: Path | None,
    latent: Path | None,
    frames: int | None,
    fps: float,
    loop: bool,
    colors: int,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Animate between two classes or noise vectors.

    A conditional model keeps its noise while the label changes linearly from class to class. Other
    models move from the noise of one seed to that of another.
    """
    from gandem.commands.output import print_out
    from gandem.core.errors import format_count
    from gandem.visualize.animation import check_animation_path
    from gandem.visualize.interpolation import interpolate

    out = choose_out(out, run, "interpolate.gif")
    check_animation_path(out)
    number = frames or (10 if out.suffix.lower() == ".png" else 200)
    vectors = find_vectors(run, from_image, to_image, latent, as_json, options)
    animation = interpolate(run, start, end, frames=number, latent=vectors, **options)
    save_animation(animation, out, as_json, "interpolate", fps=fps, loop=loop, colors=colors)
    print_out(
        out, as_json, format_count(animation.frames, "frame"), run=str(run), frames=animation.frames
    )


def find_vectors(
    run: Path,
    from_image: Path | None,
    to_image: Path | None,
    latent: Path | None,
    as_json: bool,
    options: dict[str, Any],
) -> LatentVectors | None:
    """Return the vectors of a file or of two images; None if there are neither."""
    from gandem.core.runs.generation.latents import read_latents
    from gandem.optimize.projection import project
    from gandem.terminal.progress import ProgressBars

    if latent is None and from_image is None and to_image is None:
        return None
    if (latent is None) != (from_image is not None and to_image is not None):
        raise click.UsageError("Choose --from-image and --to-image, or --latent.")
    others = (options["between"], options["label"], options["truncation"], options["num_samples"])
    if others != (None, None, None, 1):
        raise click.UsageError(
            "Latent vectors cannot be combined with --between, --label, --truncation or "
            "--num-samples."
        )
    if latent is not None:
        return read_latents(latent)
    generator = {name: options[name] for name in SECTIONS["Generator"]}
    with ProgressBars(quiet=as_json) as bars:
        projection = project(
            run,
            [from_image, to_image],  # type: ignore[list-item]  # both are given here
            seed=options["seed"],
            progress=lambda done, error: bars.show("project", done, 1000, f"error {error:.2f}"),
            **generator,
        )
    return projection.latent


def save_animation(
    animation: Animation, out: Path, as_json: bool, name: str, **playback: Any
) -> None:
    """Write an animation and show the progress."""
    from gandem.terminal.progress import ProgressBars

    with ProgressBars(quiet=as_json, unit="frames") as bars:
        animation.save(
            out, **playback, progress=lambda done: bars.show(name, done, animation.frames)
        )


COMMAND = interpolate
