"""``gandem runs``: the runs in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from gandem.commands.options import JSON


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@JSON
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER, oldest first."""
    from gandem.commands.output import print_json
    from gandem.commands.render import format_runs
    from gandem.commands.run_summaries import find_runs

    is_missing_default = folder == Path("runs") and not folder.is_dir()
    summaries = [] if is_missing_default else find_runs(folder)
    if as_json:
        print_json({"runs": [summary.to_data() for summary in summaries]})
    elif summaries:
        click.echo(format_runs(summaries))
    else:
        click.echo(f"No runs in {folder}. Start one with: gandem train MODEL")


COMMAND = runs
