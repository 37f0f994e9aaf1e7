"""What the commands have in common: options, one-line errors, printing."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.core.signals import EXIT_CODE, stop_at_once

if TYPE_CHECKING:
    from gandem.core.runs import Run

    Choice = click.Choice[str]
else:
    Choice = click.Choice  # no generic before click 8.2


def numbers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Read whole numbers with commas, 3,8; or "all", which is none of them."""
    if value is None:
        return None
    try:
        return () if value == "all" else tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"expected whole numbers with commas, like 3,8; received {value!r}."
        ) from None


class Promised(Choice):
    """Precisions in which frameworks are compared: those that a promise is made of."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from gandem.core.training import OUTSIDE

        if value in OUTSIDE:
            self.fail(OUTSIDE[value], param, ctx)
        return super().convert(value, param, ctx)


JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
SET = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change the model: one of its parameters (latent=64), or any field of its spec by path "
    "(generator.optimizer.learning_rate=1e-4). Can be repeated.",
)
DEVICE = click.option(
    "--device", default="auto", help="cpu, cuda, cuda:1; auto takes a GPU if there is one."
)
ARITHMETIC = click.option(
    "--precision",
    type=click.Choice(["float32", "float64", "bfloat16", "tf32"]),
    default="float32",
    help="Arithmetic. Outside the parity promise: bfloat16, mixed precision, where weights stay "
    "float32 and products of training steps are rounded to 8 bits; tf32, where an NVIDIA GPU "
    "rounds the factors of products to 11 bits.",
)
RANDOMNESS = click.option(
    "--randomness",
    type=click.Choice(["portable", "device"]),
    default="portable",
    help="Who draws noise, dropout masks and mixing weights: gandem, the same on every framework, "
    "or the framework on its device, outside the parity promise.",
)
DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    show_default="the cache, filled by download",
    help="Folder with the data set's files.",
)
DATA = click.option(
    "--data",
    metavar="NAME[:ARGUMENT]",
    show_default="the model's own",
    help="Data set, see 'gandem list'; digits come with gandem.",
)
CLASSES = click.option(
    "--classes",
    callback=numbers,
    metavar="A,B",
    show_default="all; without --data the model's own",
    help="Only these classes, like 3,8, renumbered from 0; or 'all'.",
)
EPOCHS = click.option(
    "--epochs", type=click.IntRange(1), show_default="the model's own", help="Passes over the data."
)
STEPS = click.option(
    "--steps",
    type=click.IntRange(1),
    show_default="as many as the epochs take",
    help="Training steps, instead of epochs.",
)
COUNT = click.option(
    "-n",
    "--count",
    type=click.IntRange(1),
    default=10_000,
    help="Images to score; half the real ones where that is less.",
)
EXTRACTOR = click.option(
    "--extractor",
    metavar="NAME[:ARGUMENT]",
    show_default="what suits the data",
    help="Whose features are compared, see 'gandem list'.",
)
RUN = click.argument("run", type=click.Path(path_type=Path))
PRECISION = Promised(["float32", "float64"])
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk, a quota and a limit say when they are reached."""


class Misuse(click.ClickException):
    """A command that is not written as it should be, said in one line."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C or SIGTERM outside of a training, or for the second time."""

    exit_code = EXIT_CODE

    def show(self, file: Any = None) -> None:
        """Say so in one line."""
        click.echo(self.message, err=True)


class Group(click.Group):
    """Commands whose mistakes of the user's are one line, and whose misspelt names are answered
    with the nearest.
    """

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with one_line(), stop_at_once("Interrupted."):
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from gandem.core.errors import suggest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}.{suggest(args[0], self.list_commands(ctx))}", ctx
            )
        return super().resolve_command(ctx, args)


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Let no mistake of the user's and no Ctrl-C end in more than a line."""
    from gandem.core.errors import GandemError

    try:
        yield
    except GandemError as error:
        raise click.ClickException(" ".join(str(error).splitlines())) from error
    except MemoryError as error:
        raise click.ClickException("There is not enough memory; ask for less.") from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = error.filename or "The output"
        raise click.ClickException(f"{where}: cannot be written ({error.strerror}).") from error
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2, and no mistake
            raise
        command = error.ctx.command_path if error.ctx else "gandem"
        words = " ".join(error.format_message().splitlines())
        stop = "" if words.endswith((".", "?")) else "."
        raise Misuse(f"{words}{stop} See '{command} --help'.") from None
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None


def settings_of(changes: Iterable[str]) -> dict[str, Any]:
    from gandem.core.specs import parse_setting

    return dict(parse_setting(text) for text in changes)


def run_called(name: str) -> Run | None:
    """Return the run in a folder; a model's name means the model, even beside a folder of that
    name.
    """
    from gandem.core.errors import NotFoundError
    from gandem.core.plugins.registry import registry

    if not os.path.isdir(name):
        return None
    try:
        registry().find("models", name)
    except NotFoundError:
        from gandem.core.runs import open_run

        return open_run(name)
    return None


def print_json(data: Any) -> None:
    import json  # people get tables

    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(title: str, rows: Iterable[tuple[Any, ...]]) -> None:
    from gandem.commands.tables_ import aligned

    click.secho(title, bold=True)
    click.echo(aligned(rows))
