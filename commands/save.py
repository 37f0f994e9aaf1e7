"""``gandem save``: the trained networks of a run as a folder to share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import CHECKPOINT, GENERATE_BACKEND, JSON, RUN, saved_options


@click.command()
@RUN
@click.argument("folder", type=click.Path(path_type=Path))
@saved_options
@CHECKPOINT
@GENERATE_BACKEND
@JSON
def save(run: Path, folder: Path, players: str | None, as_json: bool, **options: Any) -> None:
    """Write the trained networks of RUN to FOLDER, with a model card.

    FOLDER is accepted wherever a run is. It holds the weights without the state of the optimizers:
    the moving averages if the run keeps them.
    """
    from gandem.commands.output import print_out
    from gandem.core.machine import format_size
    from gandem.core.runs import open_run
    from gandem.core.runs.checkpoint import MODEL

    names = players.split(",") if players and players != "all" else players
    saved = open_run(run).save_pretrained(folder, players=names, **options)
    size = (saved.path / MODEL).stat().st_size
    content = f"{saved.record.model} after {saved.record.steps:,} steps, {format_size(size)},"
    print_out(folder, as_json, content, run=str(run), bytes=size, step=saved.record.steps)


COMMAND = save
