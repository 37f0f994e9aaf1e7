"""Commands that write: a plugin of your own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from gandem.commands.frame import JSON, Group, print_json


@click.group(cls=Group)
def plugin() -> None:
    """Write a plugin of your own."""


@plugin.command("new")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["model", "backend", "dataset"]),
    required=True,
    help="What it adds.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), show_default="NAME", help="The package's folder."
)
@JSON
def plugin_new(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a package NAME that installs, trains and passes its tests as it is.

    It adds NAME/example, for you to change: a model, a backend or a data set.
    """
    from dataclasses import asdict

    from gandem.scaffold import new_plugin

    made = new_plugin(name, kind, out)
    if as_json:
        print_json(asdict(made) | {"folder": str(made.folder)})
        return
    click.echo(f"{made.folder} is a package that adds {made.id!r}.  From there to a trained grid:")
    for line in (f"cd {shlex.quote(str(made.folder))}", *made.commands):
        click.echo(f"  {line}")


COMMANDS = (plugin,)
