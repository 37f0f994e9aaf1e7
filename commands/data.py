"""``gandem data``: the contents and problems of a data set, and the prepared data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import DATA_DIR, JSON


def parse_shape(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Return the shape of an image, like 64,64,3."""
    if value is None:
        return None
    try:
        height, width, channels = map(int, value.split(","))
    except ValueError:
        height = 0
    if height < 1 or width < 1 or not 1 <= channels <= 4:
        raise click.BadParameter(
            f"expected height, width and 1 to 4 channels, like 64,64,3; received {value!r}."
        )
    return (height, width, channels)


@click.command()
@click.argument("name", metavar="PATH|NAME[:ARGUMENT]", required=False)
@DATA_DIR
@click.option(
    "-n",
    "--num-samples",
    "count",
    type=click.IntRange(1, 50),
    default=10,
    help="Images per class in the picture.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="none",
    help="Picture of sample images to write, like sheet.png.",
)
@click.option(
    "--prepare",
    "shape",
    callback=parse_shape,
    metavar="H,W,C",
    show_default="no",
    help="Resize the images to this shape and store them, as a training does when it starts.",
)
@click.option(
    "--list-prepared",
    is_flag=True,
    show_default="no",
    help="List the prepared data sets of the cache instead.",
)
@click.option(
    "--remove-prepared",
    is_flag=True,
    show_default="no",
    help="Remove the prepared data sets of the cache instead.",
)
@JSON
def data(
    name: str | None,
    data_dir: Path | None,
    shape: tuple[int, ...] | None,
    list_prepared: bool,
    remove_prepared: bool,
    as_json: bool,
    **sheet: Any,
) -> None:
    """Show a data set: counts, sizes, problems, samples.

    NAME is one from 'gandem list'; a PATH alone means folder:PATH.
    """
    if (name is None) != (list_prepared or remove_prepared) or (list_prepared and remove_prepared):
        raise click.UsageError("Expected a data set, --list-prepared or --remove-prepared.")
    if sheet["out"] is not None and (name is None or shape is not None):
        raise click.UsageError(
            "--out shows a data set; it cannot be combined with --prepare, "
            "--list-prepared or --remove-prepared."
        )
    if name is None:
        _show_prepared(remove=remove_prepared, as_json=as_json)
    elif shape is None:
        _show_dataset(name, data_dir, **sheet, as_json=as_json)
    else:
        _prepare(name, data_dir, shape, as_json=as_json)


def _show_prepared(*, remove: bool, as_json: bool) -> None:
    from gandem.commands.output import print_json
    from gandem.commands.render_dataset import describe_prepared, format_prepared
    from gandem.core.data.prepared import list_prepared, remove_prepared

    prepared = list_prepared()
    if remove:
        prepared = [each for each in prepared if remove_prepared(each)]
    if as_json:
        print_json([describe_prepared(each) for each in prepared])
    else:
        click.echo(format_prepared(prepared, removed=remove))


def _prepare(name: str, data_dir: Path | None, shape: tuple[int, ...], *, as_json: bool) -> None:
    from gandem.commands.output import print_json
    from gandem.commands.render_dataset import describe_prepared, format_prepared
    from gandem.visualize.dataset import prepare_dataset

    prepared = prepare_dataset(name, shape, data_dir)
    if as_json:
        print_json(describe_prepared(prepared))
    else:
        click.echo(format_prepared([prepared]))


def _show_dataset(
    name: str, data_dir: Path | None, *, count: int, out: Path | None, as_json: bool
) -> None:
    from gandem.commands.output import print_json
    from gandem.commands.render_dataset import describe_dataset, format_dataset
    from gandem.visualize.dataset import inspect_dataset

    summary = inspect_dataset(name, data_dir, count=count, out=out, quiet=as_json)
    if as_json:
        print_json(describe_dataset(summary) | ({"out": str(out)} if out else {}))
    else:
        click.echo(format_dataset(summary))
        if out:
            click.echo(f"samples in {out}")


COMMAND = data
