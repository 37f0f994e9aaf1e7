"""Options that several commands share, and the conversion of their values."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.commands.output import reserve_output

if TYPE_CHECKING:
    from gandem.core.runs import Run

    Choice = click.Choice[str]
else:
    Choice = click.Choice  # not generic before click 8.2

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def parse_class(text: str) -> int | str:
    """Return the number or the name of a class."""
    try:
        return int(text)
    except ValueError:
        return text.strip()


def parse_classes(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int | str, ...] | None:
    """Return comma-separated classes, like 3,8 or cat,dog; "all" is the empty tuple."""
    if value is None:
        return None
    classes = () if value == "all" else tuple(map(parse_class, value.split(",")))
    if "" in classes:
        raise click.BadParameter(f"expected classes, like 3,8 or cat,dog; received {value!r}.")
    return classes


class ClassType(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click
    """The number or the name of a class."""

    name = "class"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        return value if isinstance(value, int) else parse_class(value)


class ParityPrecision(Choice):
    """The precisions that the parity promise covers; the others are refused with the reason."""

    def __init__(self) -> None:
        super().__init__(["float32", "float64"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from gandem.core.training import OUTSIDE_PARITY

        if value in OUTSIDE_PARITY:
            self.fail(OUTSIDE_PARITY[value], param, ctx)
        return super().convert(value, param, ctx)


def out_option(help_: str, default: str) -> Decorator:
    """Return the option for the output file.

    Args:
        default: the end of its name by default; see :func:`choose_out`.
    """
    kind = click.Path(path_type=Path)
    return click.option("-o", "--out", type=kind, show_default=f"RUN-{default}", help=help_)


def choose_out(out: Path | None, run: Path, default: str) -> Path:
    """Return the output file: by default one in this folder that does not exist yet.

    >>> choose_out(None, Path("runs/digits"), "generate.png")
    PosixPath('digits-generate.png')
    """
    if out is not None:
        return out
    first = Path(f"{run.resolve().name}-{default}")
    names = (first.with_stem(f"{first.stem}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([first], names) if not os.path.lexists(path))


def seed_option(help_: str = "Random seed.") -> Decorator:
    """Return the option for a seed."""
    return click.option("--seed", type=click.IntRange(0), default=0, help=help_)


def precision_option(default: str) -> Decorator:
    """Return the option for a precision that the parity promise covers."""
    return click.option(
        "--precision", type=ParityPrecision(), default=default, help="Floating-point precision."
    )


def size_option(default: str) -> Decorator:
    """Return the option for the size of a model."""
    return click.option(
        "--size", type=click.Choice(["small", "full"]), default=default, help="Model size."
    )


RUN = click.argument("run", type=click.Path(path_type=Path))
JSON = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=reserve_output, help="Print JSON."
)
SET = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="PATH=VALUE",
    help="Set a model parameter (latent=64) or any field of the spec "
    "(generator.optimizer.learning_rate=1e-4). Can be repeated.",
)
BACKEND = click.option("--backend", default="torch", help="Framework to train on.")
GENERATE_BACKEND = click.option(
    "--backend", show_default="the run's own", help="Framework to generate on."
)
DEVICE = click.option(
    "--device", default="auto", help="cpu, cuda, cuda:1; auto uses a GPU if there is one."
)
PRECISION = click.option(
    "--precision",
    type=click.Choice(["float32", "float64", "bfloat16", "tf32"]),
    default="float32",
    help="Floating-point precision. Outside the parity promise: bfloat16 (mixed precision, float32 "
    "weights) and tf32 (NVIDIA tensor cores).",
)
RANDOMNESS = click.option(
    "--randomness",
    type=click.Choice(["portable", "device"]),
    default="portable",
    help="Source of noise, dropout masks and mixing weights: portable gives the same numbers on "
    "every framework; device uses the framework's generator, outside the parity promise.",
)
DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    show_default="the cache; missing files are downloaded",
    help="Folder with the files of the data set.",
)
DATA = click.option(
    "--data",
    metavar="NAME[:ARGUMENT]",
    show_default="the model's own",
    help="Data set, see 'gandem list'; digits needs no download.",
)
DIGITS = click.option(
    "--data", default="digits", metavar="NAME[:ARGUMENT]", help="Data set, see 'gandem list'."
)
EPOCHS = click.option(
    "--epochs", type=click.IntRange(1), show_default="the model's own", help="Epochs to train."
)
STEPS = click.option(
    "--steps",
    type=click.IntRange(1),
    show_default="those of the epochs",
    help="Training steps, instead of epochs.",
)
FORMAT = click.option(
    "--format",
    type=Choice(["html", "md", "csv", "json"]),
    default="html",
    help="Report to write: an HTML file, tables of scores (md: results.md and results.csv, csv: "
    "results.csv), or JSON on standard output.",
)
RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="the folder of the comparison",
    help="Folder of the tables, which may hold rows of other comparisons and published.csv.",
)
NUM_SAMPLES = click.option(
    "-n",
    "--num-samples",
    type=click.IntRange(1),
    default=10_000,
    help="Images to score; at most half of the real images.",
)
EXTRACTOR = click.option(
    "--extractor",
    metavar="NAME[:ARGUMENT]",
    show_default="depends on the data",
    help="Feature extractor for the scores, see 'gandem list'.",
)
CHECKPOINT = click.option(
    "--checkpoint",
    default="last",
    metavar="NAME",
    help="Checkpoint to use: last, best, or a step.",
)
EMA = click.option(
    "--ema/--no-ema",
    default=True,
    help="Use the moving average of the weights, if the run keeps one.",
)
TRUNCATION = click.option(
    "--truncation",
    type=click.FloatRange(0, min_open=True),
    metavar="PSI",
    show_default="off",
    help="Below 1, images are more typical and less varied: the share of a style that is left of "
    "its distance from the mean style, or the largest absolute value of noise without styles.",
)
SPACE = click.option(
    "--space",
    type=click.Choice(["z", "w"]),
    default="z",
    help="What moves: the noise z, or the styles w of a model that has them.",
)
LOOP = click.option(
    "--loop/--once", default=True, show_default="loop", help="Repeat a GIF, or play it once."
)

COLORS = click.option(
    "--colors",
    type=click.IntRange(2, 256),
    default=256,
    help="Colors of a frame of a GIF, or shades of gray; fewer make a smaller file.",
)


def classes_option(show_default: str) -> Decorator:
    """Return the option that selects classes of the data."""
    return click.option(
        "--classes",
        callback=parse_classes,
        metavar="A,B",
        show_default=show_default,
        help="Use only these classes, numbers or names, like 3,8, renumbered from 0; or 'all'.",
    )


CLASSES = classes_option("all; without --data the model's own")


def generator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a generator of a run, where it runs, and its truncation."""
    for option in (EMA, CHECKPOINT, DEVICE, GENERATE_BACKEND, TRUNCATION):
        command = option(command)
    return command


def saved_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what of a run is saved."""
    for option in (
        click.option("--license", default="", show_default="none", help="License, like mit."),
        click.option(
            "--dtype",
            type=Choice(["float16", "float32", "float64"]),
            show_default="that of the run",
            help="Type to round the weights to; float16 halves the file.",
        ),
        click.option(
            "--players",
            metavar="NAMES",
            show_default="those that generate",
            help="Networks to save, separated by commas, like generator,discriminator; or all.",
        ),
    ):
        command = option(command)
    return command


def file_option(name: str, help_: str) -> Decorator:
    """Return the option for a file that is written or read only on request."""
    kind = click.Path(path_type=Path)
    return click.option(name, type=kind, show_default="none", help=help_)


def fps_option(default: float) -> Decorator:
    """Return the option for the frame rate of an animation."""
    kind = click.FloatRange(0, 50, min_open=True)
    return click.option("--fps", type=kind, default=default, help="Frames per second.")


def pixels_option(default: int | None = None, show_default: str | bool = True) -> Decorator:
    """Return the option for the size of a drawn image."""
    return click.option(
        "--size",
        type=click.IntRange(1, 8192),
        default=default,
        show_default=show_default,
        help="Longer side of an image in pixels.",
    )


def parse_changes(changes: Iterable[str]) -> dict[str, Any]:
    """Return the values of ``--set`` by path."""
    from gandem.core.specs import parse_setting

    return dict(parse_setting(text) for text in changes)


def find_run(name: str) -> Run | None:
    """Return a run by its folder or its name; None for a model's name, even if a folder has the
    same name.
    """
    from gandem.core.errors import NotFoundError
    from gandem.core.plugins.registry import registry

    if "@" in name or name.startswith("hf:"):
        from gandem.core.runs import open_run

        if not os.path.isfile(name):
            return open_run(name)
    if not os.path.isdir(name):
        return None
    try:
        registry().find("models", name)
    except NotFoundError:
        from gandem.core.runs import open_run

        return open_run(name)
    return None
