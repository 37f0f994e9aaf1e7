"""``gandem bench-quality``: tables of the scores of models over several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    BACKEND,
    CLASSES,
    DATA,
    DATA_DIR,
    EPOCHS,
    EXTRACTOR,
    JSON,
    NUM_SAMPLES,
    SET,
    STEPS,
)


@click.command("bench-quality")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@BACKEND
@click.option("--seeds", type=click.IntRange(1), default=3, help="Runs of each model.")
@EPOCHS
@STEPS
@SET
@DATA
@DATA_DIR
@CLASSES
@NUM_SAMPLES
@EXTRACTOR
@click.option(
    "--evaluate-every",
    type=click.IntRange(1),
    default=1,
    metavar="EPOCHS",
    help="Epochs between the evaluations that select the best checkpoint.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/quality"),
    help="Folder of the runs; finished runs are skipped.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("."),
    help="Folder of results.csv, results.md, and published.csv with the results of others.",
)
@JSON
def bench_quality(models: tuple[str, ...], results: Path, as_json: bool, **options: Any) -> None:
    """Train MODELs with several seeds and tabulate scores.

    Each model adds a row to results.csv and results.md, or replaces the row of the same model,
    spec, backend, length and protocol. Re-running resumes; finished runs are skipped.
    """
    from gandem.commands.output import print_json
    from gandem.compare.results import Bench, bench, check_bench, merge, read_folder, write_folder
    from gandem.compare.results.folder import PAGE, TABLE
    from gandem.compare.results.rows import in_words
    from gandem.core.progress import ProgressBars

    settings = Bench(**options)
    rows, measured = read_folder(results), []
    check_bench(models, settings)
    with ProgressBars(quiet=as_json) as bars:
        for model in models:
            row, scores = bench(model, settings, bars.show)
            measured.append({"result": row.to_data(), "scores": scores})
            rows = merge(rows, [row])
            write_folder(results, rows)
            bars.tell(in_words(row))
    if as_json:
        print_json(measured)
    else:
        click.echo(f"{len(measured)} of {len(rows)} rows in {results / TABLE} and {results / PAGE}")


COMMAND = bench_quality
