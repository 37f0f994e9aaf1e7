"""Commands that make images, animations and curves from runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.commands.frame import DEVICE, JSON, RUN, print_json

if TYPE_CHECKING:
    from gandem.visualize.animation import Film
    from gandem.visualize.latent import Using

SEED = click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise.")
BACKEND = click.option(
    "--backend", show_default="the run's own", help="Framework to generate on; any will do."
)
CHECKPOINT = click.option(
    "--checkpoint",
    "which",
    default="last",
    metavar="NAME",
    help="last, best, or the step of a checkpoint that is there.",
)
RAW = click.option(
    "--raw",
    is_flag=True,
    help="Use the last weights instead of their average, if the run keeps one.",
)
LOOP = click.option(
    "--loop/--once",
    default=True,
    show_default="loop",
    help="Whether a GIF begins again at its end, or stops there.",
)


def using(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which of a run's generators to use, and on what."""
    for option in (RAW, CHECKPOINT, DEVICE, BACKEND):
        command = option(command)
    return command


def out(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the file to write."""
    return click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=words)


def fps(default: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the rate of an animation."""
    kind = click.FloatRange(0, 50, min_open=True)
    return click.option("--fps", type=kind, default=default, help="Pictures a second.")


@click.command()
@RUN
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1),
    show_default="25; 1000 of points",
    help="How many images, or points.",
)
@click.option(
    "--label",
    type=int,
    show_default="all take turns",
    help="Class to make, from 0, for conditional models.",
)
@click.option(
    "--each-label",
    type=click.IntRange(1),
    metavar="N",
    show_default="off",
    help="N images of every class from the same noise, a row a class.",
)
@SEED
@using
@out("grid.png, or images.npz.")
@JSON
def generate(
    run: Path,
    count: int | None,
    each_label: int | None,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Make images from RUN, whichever framework trained it.

    Without --label the classes of a conditional model take turns, a column each in the grid; so do
    the categories of a latent code.
    """
    from gandem.core.progress import Bars
    from gandem.core.runs import open_run
    from gandem.core.runs.sampling import usual_count
    from gandem.core.specs import Image
    from gandem.visualize.traversal import each_label as of_each_label

    check_out(out, {".png": "a grid", ".npz": "arrays"})
    if each_label is not None and (count, options["label"]) != (None, None):
        raise click.UsageError("Give --each-label alone, without --count and --label.")
    with Bars(quiet=as_json, unit="images") as bars:
        opened = open_run(run)
        usual = usual_count(opened.spec)
        number = each_label * opened.spec.classes if each_label else count or usual

        def show(done: int) -> None:
            bars.show("generate", done, number)

        if each_label is not None:
            seed, which = options["seed"], chosen(options)
            made, table = of_each_label(opened, each_label, seed=seed, using=which, progress=show)
        elif out.suffix.lower() == ".npz":
            opened.save(out, number, **options, progress=show)
        else:
            opened.generate(number, **options, progress=show).save(out)
    if each_label is not None and out.suffix.lower() == ".png":
        table.save(out, 2 * max(opened.spec.image.shape[:2]))
    elif each_label is not None:
        made.save(out)
    what = "images" if isinstance(opened.spec.image, Image) else "points"
    tell(out, as_json, f"{number} {what}", run=str(run), count=number)


@click.command()
@RUN
@click.option(
    "--from", "start", type=int, default=0, help="Class to begin with; or seed, where noise moves."
)
@click.option("--to", "end", type=int, default=1, help="Class to end with; or seed.")
@click.option(
    "--between",
    type=click.Choice(["label", "category", "noise"]),
    show_default="label of a conditional model, else noise",
    help="What moves: the label, the category of a latent code, or the noise between two seeds.",
)
@click.option(
    "--path",
    type=click.Choice(["spherical", "linear"]),
    show_default="spherical for normal noise, else linear",
    help="How noise moves.",
)
@click.option(
    "--frames",
    type=click.IntRange(2, 100_000),
    show_default="200; 10 in a .png",
    help="How many pictures, with the way back of --bounce.",
)
@click.option(
    "--size", type=click.IntRange(1, 8192), default=96, help="Pixels of an image's longer side."
)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1, 10_000),
    default=1,
    help="Vectors of noise, side by side in each picture.",
)
@click.option(
    "--label",
    type=int,
    show_default="all take turns",
    help="Class that is held while noise moves.",
)
@SEED
@fps(20)
@LOOP
@click.option(
    "--bounce",
    is_flag=True,
    show_default="off",
    help="Go there and back, so that no end is a jump.",
)
@using
@out("morph.gif, morph.mp4, or a strip.png.")
@JSON
def interpolate(
    run: Path,
    start: int,
    end: int,
    frames: int | None,
    size: int,
    bounce: bool,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Animate the way from one class or noise to another.

    A conditional model holds its noise while the label moves in a straight line from class to
    class; others move their noise from one seed to another.
    """
    from gandem.core.runs import open_run
    from gandem.visualize.animation import check_place
    from gandem.visualize.interpolation import Way
    from gandem.visualize.interpolation import interpolate as film_of

    check_place(out)
    show = {name: options.pop(name) for name in ("fps", "loop")}
    which = chosen(options)
    film = film_of(
        open_run(run),
        start,
        end,
        way=Way(**options),
        frames=frames or (10 if out.suffix.lower() == ".png" else 200),
        size=size,
        bounce=bounce,
        using=which,
    )
    save_film(film, out, as_json, "interpolate", **show)
    tell(out, as_json, f"{film.frames} pictures", run=str(run), frames=film.frames)


@click.command()
@RUN
@click.option(
    "--values",
    default="-1:1:10",
    metavar="FIRST:LAST:COUNT",
    help="Values that the noise takes; or a list, like -2,0,2.",
)
@click.option(
    "--dimension",
    "dimensions",
    multiple=True,
    metavar="I,J",
    show_default="all equal",
    help="Numbers of the noise that move one at a time, from 0, a row each, while the rest is "
    "held; or 'code'. Can be repeated.",
)
@click.option(
    "--label",
    type=int,
    show_default="a row for each; 0 with several dimensions",
    help="Class of a conditional model, or category of a latent code.",
)
@SEED
@click.option(
    "--size", type=click.IntRange(1, 8192), default=56, help="Pixels of an image's longer side."
)
@using
@out("row.png.")
@JSON
def traverse(
    run: Path,
    values: str,
    dimensions: tuple[str, ...],
    label: int | None,
    seed: int,
    size: int,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw what chosen values of the noise make, a column a value.

    Without --dimension every number of the noise equals the value.
    """
    from gandem.core.runs import open_run
    from gandem.visualize.traversal import parse_dimensions, parse_values
    from gandem.visualize.traversal import traverse as table_of

    check_out(out, {".png": "a table of images"})
    opened = open_run(run)
    steps = parse_values(values)
    moved = parse_dimensions(",".join(dimensions), opened.spec) if dimensions else ()
    table = table_of(
        opened, steps, dimensions=moved, label=label, seed=seed, using=chosen(options), size=size
    )
    table.save(out, size)
    data = {"values": steps, "rows": table.rows}
    tell(out, as_json, f"{table.images.shape[0]} × {len(steps)} images", run=str(run), **data)


@click.command()
@RUN
@click.option(
    "--size",
    type=click.IntRange(1, 8192),
    show_default="as they are",
    help="Pixels of the longer side of the samples.",
)
@fps(5)
@click.option(
    "--hold",
    type=click.FloatRange(0, 600),
    default=2.0,
    help="Seconds that the last picture stays.",
)
@LOOP
@out("growth.gif, growth.mp4, or a strip.png.")
@JSON
def animate(run: Path, size: int | None, out: Path, as_json: bool, **show: Any) -> None:
    """Show how the samples of RUN grew.

    They are those of each epoch, all of the same noise.
    """
    from gandem.core.runs import open_run
    from gandem.visualize.animation import check_place, growth

    check_place(out)
    film = growth(open_run(run), size)
    save_film(film, out, as_json, "animate", **show)
    tell(out, as_json, f"{film.frames} pictures", run=str(run), frames=film.frames)


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN...")
@out("curves.png or curves.svg.")
@JSON
def plot(runs: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Draw the losses and health of runs.

    With them stand the discriminator's accuracies, over the same steps, and some samples.
    """
    from gandem.visualize.curves import draw_curves

    draw_curves(runs, out)
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    tell(out, as_json, f"curves of {number}", runs=[str(run) for run in runs])


def chosen(options: dict[str, Any]) -> Using:
    """Take out of a command's options those of :func:`using`."""
    from gandem.visualize.latent import Using

    return Using(**{name: options.pop(name) for name in ("backend", "device", "which", "raw")})


def check_out(path: Path, endings: dict[str, str]) -> None:
    """Refuse a file that could not be written, before anything is made."""
    from gandem.core.errors import RunError

    if path.suffix.lower() not in endings:
        wanted = " or ".join(f"{ending} ({what})" for ending, what in endings.items())
        raise RunError(f"{path}: expected a name that ends in {wanted}.")
    if not os.path.isdir(path.parent):
        raise RunError(f"{path}: there is no folder {path.parent}.")


def save_film(film: Film, out: Path, as_json: bool, who: str, **show: Any) -> None:
    """Make an animation and show how far it is."""
    from gandem.core.progress import Bars

    with Bars(quiet=as_json, unit="pictures") as bars:
        film.save(out, **show, progress=lambda done: bars.show(who, done, film.frames))


def tell(path: Path, as_json: bool, words: str, **data: Any) -> None:
    """Say what was made, and where it is."""
    if as_json:
        print_json({"out": str(path), **data})
    else:
        click.echo(f"{words} in {path}")


COMMANDS = (generate, interpolate, traverse, animate, plot)
