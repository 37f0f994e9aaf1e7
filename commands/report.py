"""``gandem report``: the report of a comparison or a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import FORMAT, JSON, RESULTS


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="COMPARISON|RUN")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="index.html in the folder",
    help="HTML file to write.",
)
@FORMAT
@RESULTS
@JSON
def report(
    folder: Path, out: Path | None, format: str, results: Path | None, as_json: bool
) -> None:
    """Write the report of a comparison or a run.

    The runs may still be in progress.
    """
    from gandem.compare import check_format, open_comparison, write_report
    from gandem.core.files import check_file

    check_format(format, results)
    if out is not None and format != "html":
        raise click.UsageError("--out needs --format html; choose the folder with --results")
    if out is not None:
        check_file(out)
    outcome, path = write_report(open_comparison(folder), format, out or results)
    print_report(outcome, path, as_json)


def print_report(outcome: dict[str, Any], path: Path | None, as_json: bool) -> None:
    """Print the outcome of a comparison and the path of its report."""
    from gandem.commands.output import print_json
    from gandem.compare import format_comparison

    if as_json or path is None:
        print_json(outcome)
    else:
        click.echo(f"{format_comparison(outcome)}\n\n{path}")


COMMAND = report
