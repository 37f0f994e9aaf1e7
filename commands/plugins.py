"""``gandem plugins``: create, list and check plugins."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from gandem.commands.group import Group
from gandem.commands.options import JSON
from gandem.scaffold import KINDS


@click.group(cls=Group)
def plugins() -> None:
    """Create, list and check plugins."""


@plugins.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="What the plugin adds.")
@click.option(
    "--out", type=click.Path(path_type=Path), show_default="NAME", help="Folder of the package."
)
@JSON
def new(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Create a plugin package NAME.

    The package installs and passes its tests as it is. It adds the entry NAME/example, for you to
    change.
    """
    from dataclasses import asdict

    from gandem.commands.output import print_json
    from gandem.scaffold import new_plugin

    plugin = new_plugin(name, kind, out)
    if as_json:
        print_json(asdict(plugin) | {"folder": str(plugin.folder)})
        return
    click.echo(f"Created {plugin.folder}, a package that adds {plugin.id!r}. Next:")
    for line in (f"cd {shlex.quote(str(plugin.folder))}", *plugin.commands):
        click.echo(f"  {line}")


@plugins.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List installed plugins and their problems."""
    from dataclasses import asdict

    from gandem.commands.output import print_json
    from gandem.commands.render_reports import format_plugins
    from gandem.core.plugins.registry import registry

    installed = registry().plugins
    if as_json:
        print_json({"plugins": [asdict(plugin) for plugin in installed]})
    else:
        click.echo(format_plugins(installed))


@plugins.command()
@click.argument("backend")
@click.option(
    "-k",
    "only",
    default="",
    metavar="EXPRESSION",
    show_default="all",
    help="Run only the tests that match, as in pytest.",
)
@JSON
def check(backend: str, only: str, as_json: bool) -> None:
    """Run the conformance suite on BACKEND.

    The suite compares small networks, losses, optimizers and whole trainings with stored numbers.
    The exit code is 0 if BACKEND conforms, and 1 if not.
    """
    from gandem.commands.output import print_json
    from gandem.terminal.progress import ProgressBars
    from gandem.testing.check import check, format_check

    with ProgressBars(quiet=as_json, unit="tests") as bars:
        outcome = check(
            backend, only=only, progress=lambda done, total: bars.show(backend, done, total)
        )
    if as_json:
        print_json(outcome.to_data())
    else:
        click.echo(format_check(outcome))
    sys.exit(0 if outcome.holds else 1)


COMMAND = plugins
