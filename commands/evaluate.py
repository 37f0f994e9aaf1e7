"""``gandem evaluate``: scores of runs and of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gandem.commands.options import (
    DATA_DIR,
    DEVICE,
    EXTRACTOR,
    GENERATE_BACKEND,
    JSON,
    NUM_SAMPLES,
    classes_option,
    seed_option,
)


@click.command()
@click.argument(
    "subjects",
    type=click.Path(path_type=Path),
    nargs=-1,
    required=True,
    metavar="RUN|IMAGES|DATA...",
)
@click.option(
    "--data",
    metavar="NAME[:ARGUMENT]",
    show_default="the training data of the runs",
    help="Real images to compare with.",
)
@DATA_DIR
@classes_option("those of the runs; with --data all")
@NUM_SAMPLES
@EXTRACTOR
@click.option(
    "--checkpoint",
    default="all",
    metavar="NAME",
    help="Checkpoint to score: last, best, or a step; all: last and best.",
)
@click.option(
    "--gan-train",
    is_flag=True,
    show_default="off",
    help="Also train a classifier on the images of each conditional run, and test it on real ones; "
    "about a minute each.",
)
@click.option(
    "--save",
    is_flag=True,
    show_default="off",
    help="Also write the scores of each run to its folder, where 'gandem report' reads them.",
)
@seed_option()
@GENERATE_BACKEND
@DEVICE
@JSON
def evaluate(subjects: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Score runs, image folders, .npz files or data sets.

    Each score is shown with the real baseline and the protocol that it was measured by. Scores of
    different protocols are not put in one table. docs/metrics.md explains the scores.

    Data sets are named as in --data, like mnist:test.

    A run is scored with its last and best checkpoints, with and without the moving average of its
    weights.
    """
    from gandem.commands.output import print_json
    from gandem.metrics.evaluation import format_scores
    from gandem.metrics.evaluation.evaluate import evaluate
    from gandem.terminal.progress import ProgressBars

    with ProgressBars(quiet=as_json, unit="done") as bars:
        results = evaluate(subjects, **options, progress=bars.show, notice=bars.print)
    if as_json:
        print_json([result.to_data() for result in results])
    else:
        click.echo(format_scores(results))


COMMAND = evaluate
