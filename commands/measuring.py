"""Commands that measure: two backends against each other, one against stored numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gandem.commands.frame import JSON, PRECISION, SET, print_json, settings_of

DEMO = ("width=32", "learning_rate=3e-4")
"""The demo's DCGAN: it draws digits after some 280 steps, within a minute or two on two cores."""


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
    type=click.Choice(["auto", "trajectory", "step", "twin", "handover"]),
    default="auto",
    help="What to hold it to; auto: trajectory (float64, small), step (float32), twin (full).",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of everything random.")
@click.option("--data", default="digits", metavar="NAME[:ARGUMENT]", help="Data set.")
@SET
@JSON
def parity(
    model: str, backends: str, changes: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Measure how far apart two backends are on MODEL.

    The exit code is 0 if the promise holds, and 1 if not.
    """
    from gandem.core.parity import measure
    from gandem.core.runs.progress import Bars
    from gandem.core.words import report_in_words

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

    This is the conformance suite: small networks, losses, optimisers and whole trainings.  The exit
    code is 0 if it conforms, and 1 if not.
    """
    from gandem.core.runs.progress import Bars
    from gandem.testing.check import check, check_in_words

    with Bars(quiet=as_json, unit="tests") as bars:
        found = check(backend, only=only, progress=lambda n, all_: bars.show(backend, n, all_))
    if as_json:
        print_json(found.to_data())
    else:
        click.echo(check_in_words(found))
    sys.exit(0 if found.holds else 1)


@click.command()
@click.argument("model", required=False)
@click.option("--steps", type=click.IntRange(1), default=280, help="Steps to take.")
@click.option("--precision", type=PRECISION, default="float64", help="Arithmetic.")
@click.option("--data", default="digits", metavar="NAME[:ARGUMENT]", help="Data set.")
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
    from gandem.core.parity import pair_of_backends, tandem
    from gandem.core.runs import next_folder
    from gandem.core.runs.progress import Bars
    from gandem.core.words import tandem_in_words

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


COMMANDS = (parity, check, demo)
