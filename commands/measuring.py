"""Commands that measure: two backends against each other, one against stored numbers, generated
images against real ones.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gandem.commands.frame import (
    ARITHMETIC,
    CLASSES,
    COUNT,
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
    numbers,
    print_json,
    settings_of,
)

DEMO = ("width=32", "learning_rate=3e-4")
"""The demo's DCGAN: it draws digits after some 280 steps, within a minute or two on two cores."""
DIGITS = click.option(
    "--data", default="digits", metavar="NAME[:ARGUMENT]", help="Data set, see 'gandem list'."
)


@click.command()
@click.argument("model")
@click.option(
    "--backends",
    default="",
    metavar="A,B",
    show_default="the two installed",
    help="Which to compare.",
)
@click.option("--steps", type=click.IntRange(1), default=200, help="Steps to take.")
@click.option("--precision", type=PRECISION, default="float64", help="Arithmetic.")
@click.option(
    "--size", type=click.Choice(["small", "full"]), default="small", help="The model's size."
)
@click.option(
    "--tier",
    type=click.Choice(["auto", "trajectory", "step", "baseline", "handover"]),
    default="auto",
    help="What to hold it to; auto: trajectory (float64, small), step (float32), baseline (full).",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of everything random.")
@DIGITS
@DATA_DIR
@click.option(
    "--classes",
    callback=numbers,
    metavar="A,B",
    show_default="all",
    help="Only these classes, like 3,8, renumbered from 0.",
)
@SET
@JSON
def parity(
    model: str, backends: str, changes: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Measure how far apart two backends are on MODEL.

    The exit code is 0 if the promise holds, and 1 if not.
    """
    from gandem.commands.render import report_in_words
    from gandem.core.progress import Bars
    from gandem.parity import measure

    names = [name.strip() for name in backends.split(",") if name.strip()]
    with Bars(quiet=as_json) as bars:

        def show(who: str, step: int) -> None:
            bars.show(who, step, options["steps"])

        report = measure(
            model, backends=names, changes=settings_of(changes), progress=show, **options
        )
    if as_json:
        print_json(report.to_data())
    else:
        click.echo(report_in_words(report))
    sys.exit(0 if report.holds else 1)


@click.command()
@click.argument("backend")
@click.option(
    "-k", "only", default="", metavar="WORDS", show_default="all", help="Only tests that fit WORDS."
)
@JSON
def check(backend: str, only: str, as_json: bool) -> None:
    """Hold BACKEND to stored numbers that all must give.

    This is the conformance suite: small networks, losses, optimizers and whole trainings.  The exit
    code is 0 if it conforms, and 1 if not.
    """
    from gandem.core.progress import Bars
    from gandem.testing.check import check, check_in_words

    with Bars(quiet=as_json, unit="tests") as bars:
        found = check(backend, only=only, progress=lambda n, all_: bars.show(backend, n, all_))
    if as_json:
        print_json(found.to_data())
    else:
        click.echo(check_in_words(found))
    sys.exit(0 if found.holds else 1)


@click.command()
@click.argument("model")
@click.option("--backend", default="torch", help="Framework to train on.")
@DATA
@DATA_DIR
@CLASSES
@SET
@click.option("--steps", type=click.IntRange(2), default=100, help="Steps to measure.")
@ARITHMETIC
@RANDOMNESS
@DEVICE
@JSON
def profile(model: str, changes: tuple[str, ...], as_json: bool, **settings: Any) -> None:
    """Show where the time of a training step of MODEL goes.

    It trains in a temporary folder, and takes the step apart meanwhile: docs/profile.md.
    """
    from gandem.core.progress import Bars
    from gandem.core.runs import Settings, profile

    with Bars(quiet=as_json, unit="rounds") as bars:
        found = profile(
            model,
            settings=Settings(**settings),
            changes=settings_of(changes),
            progress=lambda done, total: bars.show(model, done, total),
            notice=bars.say,
        )
    if as_json:
        print_json(found.to_data())
    else:
        click.echo(found.in_words())


@click.command()
@click.argument("model", required=False)
@click.option("--steps", type=click.IntRange(1), default=280, help="Steps to take.")
@click.option("--precision", type=PRECISION, default="float64", help="Arithmetic.")
@DIGITS
@SET
@click.option(
    "--out", type=click.Path(path_type=Path), show_default="runs/demo-N", help="Where both runs go."
)
@JSON
def demo(
    model: str | None,
    steps: int,
    changes: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **options: str,
) -> None:
    """Train MODEL on two frameworks at once and compare.

    Both take the same steps from the same numbers; a picture shows what each has made of them.
    Without MODEL: a DCGAN of half the usual width.
    """
    from gandem.commands.render import tandem_in_words
    from gandem.core.progress import Bars
    from gandem.core.runs import next_folder
    from gandem.parity import pair_of_backends, tandem

    arguments = ["--steps", str(steps), *(f"--{key}={value}" for key, value in options.items())]
    arguments += [f"--set={change}" for change in changes or (() if model else DEMO)]
    place = out or next_folder("demo")
    with Bars(quiet=as_json) as bars:

        def show(who: str, step: int) -> None:
            bars.show(who, step, steps)

        found = tandem(model or "dcgan", arguments, pair_of_backends(), place, show)
    if as_json:
        print_json(found.to_data())
    else:
        click.echo(tandem_in_words(found))


@click.command()
@click.argument(
    "subjects", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RUN|IMAGES..."
)
@click.option(
    "--data",
    metavar="NAME[:ARGUMENT]",
    show_default="what the runs were trained on",
    help="Real images to compare with.",
)
@DATA_DIR
@click.option(
    "--classes",
    callback=numbers,
    metavar="A,B",
    show_default="those of the runs; with --data all",
    help="Of the real images only these classes, like 3,8; or 'all'.",
)
@COUNT
@EXTRACTOR
@click.option(
    "--checkpoint",
    "which",
    default="all",
    metavar="NAME",
    help="last, best, or the step of a checkpoint; all: the last and the best.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of everything drawn.")
@click.option(
    "--backend", show_default="the run's own", help="Framework to generate on; any will do."
)
@DEVICE
@JSON
def evaluate(subjects: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """Score runs, or folders and .npz files of images.

    Every score stands beside what real images get, and below the protocol that it was measured by:
    scores of different protocols stand in no table together.  What each means: docs/metrics.md.

    A run is scored with its last checkpoint and its best, with the average of its weights and
    without, where it has these.
    """
    from gandem.core.progress import Bars
    from gandem.metrics.evaluation import scores_in_words
    from gandem.metrics.evaluation.evaluate import evaluate

    with Bars(quiet=as_json, unit="done") as bars:
        scored = evaluate(subjects, **options, progress=bars.show, notice=bars.say)
    if as_json:
        print_json([one.to_data() for one in scored])
    else:
        click.echo(scores_in_words(scored))


@click.command("bench-quality")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--backend", default="torch", help="Framework to train on.")
@click.option("--seeds", type=click.IntRange(1), default=3, help="Trainings of each model.")
@EPOCHS
@STEPS
@SET
@DATA
@DATA_DIR
@CLASSES
@COUNT
@EXTRACTOR
@click.option(
    "--evaluate-every",
    type=click.IntRange(1),
    default=1,
    metavar="EPOCHS",
    help="Epochs between the scores that choose the best checkpoint.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/quality"),
    help="Where the runs go; what is there already is not done again.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("."),
    help="Folder of results.csv, results.md, and published.csv with results of others.",
)
@JSON
def bench_quality(models: tuple[str, ...], results: Path, as_json: bool, **options: Any) -> None:
    """Train MODELs with several seeds and write how good they are.

    The table, results.csv, and the page made of it, results.md, grow with each model: a row is
    replaced by one of the same model, spec, backend, length and protocol.  A bench that was
    interrupted goes on where it was.
    """
    from gandem.compare.results import Bench, bench, check_bench, merge, read_folder, write_folder
    from gandem.compare.results.folder import PAGE, TABLE
    from gandem.compare.results.rows import in_words
    from gandem.core.progress import Bars

    asked = Bench(**options)
    rows, found = read_folder(results), []
    check_bench(models, asked)
    with Bars(quiet=as_json) as bars:
        for model in models:
            row, scores = bench(model, asked, bars.show)
            found.append({"result": row.to_data(), "scores": scores})
            rows = merge(rows, [row])
            write_folder(results, rows)
            bars.tell(in_words(row))
    if as_json:
        print_json(found)
    else:
        click.echo(f"{len(found)} of {len(rows)} rows in {results / TABLE} and {results / PAGE}")


COMMANDS = (parity, check, profile, evaluate, bench_quality, demo)
