"""``gandem push``: upload the trained networks of a run to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import CHECKPOINT, JSON, RUN, saved_options


@click.command()
@RUN
@click.argument("name", metavar="USER/NAME")
@click.option("--private", is_flag=True, show_default="off", help="Create a private repository.")
@click.option(
    "--revision", show_default="main", help="Branch, which is created if it does not exist."
)
@click.option("--message", show_default="a standard one", help="Message of the commit.")
@saved_options
@CHECKPOINT
@JSON
def push(
    run: Path,
    name: str,
    players: str | None,
    dtype: str | None,
    license: str,
    checkpoint: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Upload the trained networks of RUN to the Hugging Face Hub.

    They are opened with hf://USER/NAME wherever a run is. The token is that of 'hf auth login', or
    HF_TOKEN. A folder that 'gandem save' wrote is uploaded as it is, unless an option changes what
    is saved.
    """
    from gandem.commands.output import print_json
    from gandem.core.runs import open_run

    names = players.split(",") if players and players != "all" else players
    chosen = {"players": names, "dtype": dtype, "license": license}
    saved: dict[str, Any] = {key: value for key, value in chosen.items() if value}
    if checkpoint != "last":
        saved["checkpoint"] = checkpoint
    address = open_run(run).push(name, **options, **saved)
    if as_json:
        print_json({"run": str(run), "repository": name, "commit": address})
    else:
        click.echo(f"{run} is at {address}; open it with hf://{name.removeprefix('hf://')}")


COMMAND = push
