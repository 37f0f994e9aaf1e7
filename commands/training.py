"""Commands that train, and go on training."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.commands.frame import (
    ARITHMETIC,
    CLASSES,
    DATA,
    DATA_DIR,
    DEVICE,
    EPOCHS,
    JSON,
    RANDOMNESS,
    RUN,
    SET,
    STEPS,
    print_json,
    settings_of,
)
from gandem.core.signals import EXIT_CODE

if TYPE_CHECKING:
    from gandem.core.runs import Progress, Run


@click.command()
@click.argument("model")
@click.option("--backend", default="torch", help="Framework to train on.")
@DATA
@DATA_DIR
@CLASSES
@EPOCHS
@STEPS
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of everything random.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    show_default="the model's own",
    help="Images in a batch.",
)
@SET
@ARITHMETIC
@RANDOMNESS
@DEVICE
@click.option(
    "--log-every", type=click.IntRange(1), default=20, help="Steps between rows of the log."
)
@click.option(
    "--checkpoint-steps",
    type=click.IntRange(1),
    show_default="none",
    help="Steps between checkpoints, beside those at each epoch's end.",
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    help="Minutes between checkpoints, likewise.",
)
@click.option(
    "--sample-steps",
    type=click.IntRange(1),
    show_default="none",
    help="Steps between grids of samples, beside those at each epoch's end.",
)
@click.option(
    "--keep", type=click.IntRange(0), default=3, help="Newest checkpoints to keep; 0 keeps all."
)
@click.option(
    "--best",
    metavar="METRIC[:min|:max]",
    show_default="none; frechet with --evaluate-every",
    help="Keep the best checkpoint too, by the lowest or highest of generator, discriminator, "
    "real_accuracy or fake_accuracy; with --evaluate-every of frechet or kernel.",
)
@click.option(
    "--judge-every",
    type=click.IntRange(0),
    default=1,
    metavar="EPOCHS",
    help="Epochs between judgments: how many of 100 real and 100 fake images the discriminator "
    "tells; 0 for none.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    default=0,
    metavar="EPOCHS",
    help="Epochs between scores, the Fréchet and the kernel distance to real images, taken at the "
    "end too; the best checkpoint is kept. 0 for none.",
)
@click.option(
    "--evaluate-count",
    type=click.IntRange(1),
    default=1000,
    help="Images that are scored, against as many real ones.",
)
@click.option(
    "--extractor",
    metavar="NAME[:ARGUMENT]",
    show_default="what suits the data",
    help="Whose features the scores compare, see 'gandem list'.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    show_default="runs/MODEL-BACKEND-DATE-N",
    help="The run's folder.",
)
@JSON
def train(
    model: str,
    batch_size: int | None,
    changes: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train MODEL and keep the run in a folder.

    MODEL is a name from 'gandem list', or a .toml or .json spec.

    Ctrl-C ends cleanly after the step: log, samples and state so far are kept, and 'gandem resume'
    goes on from there.

    A line says when the training falls sick, why, and what helps: docs/reading-the-losses.md.
    """
    from gandem.core.runs import Settings, train

    chosen = settings_of(changes)
    if batch_size is not None:
        chosen["training.batch_size"] = batch_size
    with follow(model, quiet=as_json) as following:
        run = train(model, settings=Settings(**settings), changes=chosen, out=out, **following)
    print_outcome(run, as_json)


@click.command()
@RUN
@click.option(
    "--backend", show_default="the run's own", help="Framework to go on with; any takes it over."
)
@click.option("--device", show_default="the run's own", help="cpu, cuda, cuda:1, auto.")
@click.option(
    "--steps", type=click.IntRange(1), show_default="as planned", help="New total of steps."
)
@click.option(
    "--epochs", type=click.IntRange(1), show_default="as planned", help="New total of epochs."
)
@click.option(
    "--data",
    metavar="NAME[:ARGUMENT]",
    show_default="the run's own",
    help="Where the same data is now.",
)
@DATA_DIR
@click.option(
    "--allow-changed",
    multiple=True,
    metavar="FIELD",
    show_default="none",
    help="A field of spec.toml that may differ from the checkpoint's, or 'data'. Can be repeated.",
)
@JSON
def resume(run: Path, as_json: bool, **options: Any) -> None:
    """Go on with RUN from its newest good checkpoint.

    On the same framework the outcome is, bit for bit, that of a training never interrupted; another
    framework takes the run over as it is.
    """
    from gandem.core.runs import resume

    with follow(run.name, quiet=as_json) as following:
        resumed = resume(run, **options, **following)
    print_outcome(resumed, as_json)


@contextlib.contextmanager
def follow(who: str, *, quiet: bool) -> Iterator[dict[str, Any]]:
    """Show the progress of a training while it goes on."""
    from gandem.callbacks.diagnostics.probe import judged_in_words
    from gandem.commands.render import losses_in_short, scores_in_short
    from gandem.core.progress import Bars

    with Bars(quiet=quiet) as bars:

        def show(at: Progress) -> None:
            bars.show(who, at.step, at.total, losses_in_short(at.losses))
            if at.judged is not None:
                bars.tell(judged_in_words(at.judged))
            if at.scores is not None:
                bars.tell(scores_in_short(at.step, at.scores))

        yield {"progress": show, "notice": bars.say}


def print_outcome(run: Run, as_json: bool) -> None:
    """Say how a training went; an interrupted one has its own exit code."""
    from gandem.commands.render import outcome_in_words

    facts = run.facts
    if as_json:
        keys = ("state", "steps", "seconds", "seconds_to_first_step", "steps_per_second", "losses")
        said = {key: facts.get(key) for key in (*keys, "best", "health", "evaluation")}
        print_json({"run": str(run.path), **said, "checkpoint": str(run.checkpoints()[-1])})
    else:
        click.echo(outcome_in_words(run))
    if facts["state"] == "interrupted":
        sys.exit(EXIT_CODE)


COMMANDS = (train, resume)
