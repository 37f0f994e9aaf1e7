"""``gandem report``: the report of a comparison or a run, and tables of many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import FORMAT, JSON, RESULTS


@click.command()
@click.argument(
    "folders",
    type=click.Path(path_type=Path),
    nargs=-1,
    required=True,
    metavar="COMPARISON|RUN...",
)
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
    folders: tuple[Path, ...], out: Path | None, format: str, results: Path | None, as_json: bool
) -> None:
    """Write the report of a comparison or a run.

    The runs of a comparison may still be in progress. With --format md or csv and --results, the
    tables of several comparisons and runs are written; runs that differ in their seed only are one
    row. Score single runs first, with 'gandem evaluate RUN... --seed 1 --save'.
    """
    from gandem.compare import check_format, open_comparison, write_report
    from gandem.core.files import check_file

    check_format(format, results)
    if out is not None and format != "html":
        raise click.UsageError("--out needs --format html; choose the folder with --results")
    if out is not None:
        check_file(out)
    if len(folders) > 1 and results is None:
        raise click.UsageError(
            "Several folders have one report only as tables; add --format md and --results FOLDER"
        )
    comparisons = [open_comparison(folder) for folder in folders]
    if len(comparisons) > 1 and results is not None:
        _write_tables(comparisons, results, format, as_json)
        return
    outcome, path = write_report(comparisons[0], format, out or results)
    print_report(outcome, path, as_json)


def _write_tables(comparisons: Any, folder: Path, format: str, as_json: bool) -> None:
    from gandem.commands.output import print_json
    from gandem.compare.results import write_tables
    from gandem.core.errors import format_count

    rows, path = write_tables(comparisons, folder, markdown=format == "md")
    if as_json:
        print_json([row.to_data() for row in rows])
    else:
        click.echo(f"{format_count(len(rows), 'row')}\n\n{path}")


def print_report(outcome: dict[str, Any], path: Path | None, as_json: bool) -> None:
    """Print the outcome of a comparison and the path of its report."""
    from gandem.commands.output import print_json
    from gandem.compare import format_comparison

    if as_json or path is None:
        print_json(outcome)
    else:
        click.echo(f"{format_comparison(outcome)}\n\n{path}")


COMMAND = report
