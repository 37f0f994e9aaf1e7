"""``gandem train``: train a model into a new run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.commands.group import SectionedCommand
from gandem.commands.options import (
    BACKEND,
    CLASSES,
    DATA,
    DATA_DIR,
    DEVICE,
    EPOCHS,
    EXTRACTOR,
    JSON,
    PRECISION,
    RANDOMNESS,
    SET,
    STEPS,
    parse_changes,
    seed_option,
)
from gandem.core.signals import EXIT_CODE

if TYPE_CHECKING:
    from gandem.core.runs import Progress, Run

SECTIONS = {
    "Model and data": ("changes", "data", "data_dir", "classes"),
    "First weights": ("start_from", "name_map", "freeze"),
    "Training": ("epochs", "steps", "batch_size", "seed"),
    "Execution": ("backend", "device", "precision", "randomness"),
    "Log and samples": ("log_every", "sample_steps"),
    "Checkpoints": ("checkpoint_steps", "checkpoint_minutes", "keep_last", "best"),
    "Evaluation": ("accuracy_every", "evaluate_every", "evaluate_count", "extractor"),
}


@click.command(cls=SectionedCommand, sections=SECTIONS)
@click.argument("model")
@BACKEND
@DATA
@DATA_DIR
@CLASSES
@EPOCHS
@STEPS
@seed_option()
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    show_default="the model's own",
    help="Images per batch.",
)
@SET
@click.option(
    "--from",
    "start_from",
    metavar="RUN|FILE",
    show_default="initial weights",
    help="Start from the weights of a run, or of a .safetensors file: docs/fine-tuning.md.",
)
@click.option(
    "--map",
    "name_map",
    metavar="FILE",
    type=click.Path(path_type=Path),
    show_default="equal names",
    help="TOML file: which arrays of the file in --from are which of the model.",
)
@click.option(
    "--freeze",
    multiple=True,
    metavar="PLAYER[.LAYER]",
    show_default="none",
    help="Leave the weights of a layer as they are, as in discriminator.conv2d; * stands for any "
    "characters. Can be repeated.",
)
@PRECISION
@RANDOMNESS
@DEVICE
@click.option("--log-every", type=click.IntRange(1), default=20, help="Steps between log rows.")
@click.option(
    "--checkpoint-steps",
    type=click.IntRange(1),
    show_default="none",
    help="Steps between checkpoints, besides one at the end of each epoch.",
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    help="Minutes between checkpoints, besides one at the end of each epoch.",
)
@click.option(
    "--sample-steps",
    type=click.IntRange(1),
    show_default="none",
    help="Steps between sample grids, besides one at the end of each epoch.",
)
@click.option(
    "--keep-last", type=click.IntRange(0), default=3, help="Newest checkpoints to keep; 0 for all."
)
@click.option(
    "--best",
    metavar="METRIC[:min|:max]",
    show_default="none; frechet with --evaluate-every",
    help="Also keep the checkpoint with the lowest or highest METRIC: generator, discriminator, "
    "real_accuracy or fake_accuracy; with --evaluate-every also frechet or kernel.",
)
@click.option(
    "--accuracy-every",
    type=click.IntRange(0),
    default=1,
    metavar="EPOCHS",
    help="Epochs between measurements of the discriminator's accuracy on 100 real and 100 fake "
    "images; 0 for none.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    metavar="EPOCHS",
    help="Epochs between evaluations (Fréchet and kernel distance to real images), with one at the "
    "end; keeps the best checkpoint. 0 for none.",
)
@click.option(
    "--evaluate-count",
    type=click.IntRange(1),
    default=1000,
    help="Images to evaluate, and as many real ones.",
)
@EXTRACTOR
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    show_default="runs/MODEL-BACKEND-DATE-N",
    help="Folder of the run.",
)
@JSON
def train(
    model: str,
    batch_size: int | None,
    changes: tuple[str, ...],
    out: Path | None,
    start_from: str | None,
    name_map: Path | None,
    freeze: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Train MODEL and write a run folder.

    MODEL is a name from 'gandem list', or a .toml or .json spec.

    Ctrl-C stops after the current step and saves the log, samples and state; 'gandem resume'
    continues the run.

    Warnings about common failures suggest a fix: docs/reading-the-losses.md.
    """
    from gandem.core.runs import Settings, train

    spec_changes = parse_changes(changes)
    if batch_size is not None:
        spec_changes["training.batch_size"] = batch_size
    with report_progress(model, quiet=as_json) as callbacks:
        run = train(
            model,
            settings=Settings(**settings),
            changes=spec_changes,
            out=out,
            start_from=start_from,
            name_map=name_map,
            freeze=freeze,
            **callbacks,
        )
    print_outcome(run, as_json)


@contextlib.contextmanager
def report_progress(name: str, *, quiet: bool) -> Iterator[dict[str, Any]]:
    """Show the progress of a training; yield the keyword arguments that report it."""
    from gandem.commands.render import format_accuracy, format_losses, format_scores
    from gandem.terminal.progress import ProgressBars

    with ProgressBars(quiet=quiet) as bars:

        def show(progress: Progress) -> None:
            text = "  ".join(filter(None, (progress.stage, format_losses(progress.losses))))
            bars.show(name, progress.step, progress.total, text, progress.seconds_left)
            if progress.accuracy is not None:
                bars.print_if_shown(format_accuracy(progress.accuracy))
            if progress.scores is not None:
                bars.print_if_shown(format_scores(progress.step, progress.scores))

        yield {"progress": show, "notice": bars.print}


def print_outcome(run: Run, as_json: bool) -> None:
    """Print how a training ended; exit with a code of its own if it was interrupted."""
    from gandem.commands.output import print_json
    from gandem.commands.render import format_outcome

    record = run.record
    if as_json:
        data = record.to_data()
        keys = ("state", "steps", "seconds", "seconds_to_first_step", "steps_per_second", "losses")
        facts = {key: data.get(key) for key in (*keys, "best", "health", "evaluation")}
        print_json({"run": str(run.path), **facts, "checkpoint": str(run.checkpoints()[-1])})
    else:
        click.echo(format_outcome(run))
    if record.state == "interrupted":
        sys.exit(EXIT_CODE)


COMMAND = train
