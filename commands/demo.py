"""``gandem demo``: one model on two frameworks at once."""

from __future__ import annotations

from pathlib import Path

import click

from gandem.commands.options import DIGITS, JSON, SET, precision_option

DEMO_CHANGES = ("width=32", "learning_rate=3e-4")
"""Changes to dcgan: it draws digits after about 280 steps, in a minute or two on two cores."""


@click.command()
@click.argument("model", required=False)
@click.option("--steps", type=click.IntRange(1), default=280, help="Training steps.")
@precision_option("float64")
@DIGITS
@SET
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    show_default="runs/demo-N",
    help="Folder of both runs.",
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

    Both take the same steps on the same numbers; a picture shows the samples of both. Without
    MODEL, a DCGAN of half the usual width is trained.
    """
    from gandem.commands.output import print_json
    from gandem.commands.render_reports import format_demo
    from gandem.core.progress import ProgressBars
    from gandem.core.runs import next_run_dir
    from gandem.parity import pair_of_backends, tandem

    arguments = ["--steps", str(steps), *(f"--{key}={value}" for key, value in options.items())]
    arguments += [f"--set={change}" for change in changes or (() if model else DEMO_CHANGES)]
    folder = out or next_run_dir("demo")
    with ProgressBars(quiet=as_json) as bars:

        def show(backend: str, step: int) -> None:
            bars.show(backend, step, steps)

        result = tandem(model or "dcgan", arguments, pair_of_backends(), folder, show)
    if as_json:
        print_json(result.to_data())
    else:
        click.echo(format_demo(result))


COMMAND = demo
