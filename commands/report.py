"""``gandem report``: the report of a comparison or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import JSON


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="COMPARISON|RUN")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="index.html in the folder",
    help="HTML file to write.",
)
@JSON
def report(folder: Path, out: Path | None, as_json: bool) -> None:
    """Write the HTML report of a comparison or a run.

    The runs may still be in progress.
    """
    from gandem.compare import check_needs, open_comparison, write_comparison

    check_needs()
    outcome = write_comparison(open_comparison(folder), out)
    print_report(out or folder / "index.html", outcome, as_json)


def print_report(page: Path, outcome: dict[str, Any], as_json: bool) -> None:
    """Print the outcome of a comparison and the path of its report."""
    from gandem.commands.output import print_json
    from gandem.compare import comparison_in_words

    if as_json:
        print_json(outcome)
    else:
        click.echo(f"{comparison_in_words(outcome)}\n\n{page}")


COMMAND = report
