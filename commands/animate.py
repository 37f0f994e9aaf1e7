"""``gandem animate``: the samples of a run over the epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    COLORS,
    JSON,
    LOOP,
    RUN,
    choose_out,
    fps_option,
    out_option,
    pixels_option,
)


@click.command()
@RUN
@pixels_option(show_default="unchanged")
@fps_option(5)
@click.option(
    "--hold", type=click.FloatRange(0, 600), default=2.0, help="Seconds to show the last frame."
)
@click.option(
    "--stages",
    is_flag=True,
    show_default="off",
    help="Only the samples at the end of each stage of the training.",
)
@LOOP
@COLORS
@out_option("Output file: growth.gif, growth.mp4, or a strip.png.", "animate.gif")
@JSON
def animate(
    run: Path, size: int | None, stages: bool, out: Path | None, as_json: bool, **playback: Any
) -> None:
    """Animate the samples of RUN over the epochs.

    The samples of all epochs come from the same noise. Those of a training in stages have one size;
    '--stages --out growth.png' writes the last ones of each stage side by side.
    """
    from gandem.commands.interpolate import save_animation
    from gandem.commands.output import print_out
    from gandem.core.errors import format_count
    from gandem.visualize.animation import animate, check_animation_path

    out = choose_out(out, run, "animate.gif")
    check_animation_path(out)
    animation = animate(run, size, stages=stages)
    save_animation(animation, out, as_json, "animate", **playback)
    print_out(
        out, as_json, format_count(animation.frames, "frame"), run=str(run), frames=animation.frames
    )


COMMAND = animate
