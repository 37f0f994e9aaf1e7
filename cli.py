"""The `gandem` command: each command parses, calls the library, prints."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandem.core.interrupts import EXIT_CODE, stop_at_once

if TYPE_CHECKING:
    from gandem.core.runs import Progress, Run

__all__ = ["main"]

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
SET = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="PATH=VALUE",
    help="Change the model: one of its parameters (latent=64), or any field of its spec by path "
    "(generator.optimiser.learning_rate=1e-4). Can be repeated.",
)
DEVICE = click.option(
    "--device", default="auto", help="cpu, cuda, cuda:1; auto takes a GPU if there is one."
)
DATA_DIR = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    show_default="the cache, filled by download",
    help="Folder with the data set's files.",
)
RUN = click.argument("run", type=click.Path(path_type=Path))
DEMO = ("width=32", "learning_rate=3e-4")
"""The demo's DCGAN: it draws digits after some 280 steps, within a minute or two on two cores."""
PRECISION = click.Choice(["float32", "float64"])
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk, a quota and a limit say when they are reached."""


class Misuse(click.ClickException):
    """A command that is not written as it should be, said in one line."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C or SIGTERM outside of a training, or for the second time."""

    exit_code = EXIT_CODE

    def show(self, file: Any = None) -> None:
        """Say so in one line."""
        click.echo(self.message, err=True)


class Group(click.Group):
    """Commands whose mistakes of the user's are one line, and whose misspelt names are answered
    with the nearest.
    """

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _one_line(), stop_at_once("Interrupted."):
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from gandem.core.errors import suggest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}.{suggest(args[0], self.commands)}", ctx
            )
        return super().resolve_command(ctx, args)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Let no mistake of the user's and no Ctrl-C end in more than a line."""
    from gandem.core.errors import GandemError

    try:
        yield
    except GandemError as error:
        raise click.ClickException(" ".join(str(error).splitlines())) from error
    except MemoryError as error:
        raise click.ClickException("There is not enough memory; ask for less.") from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = error.filename or "The output"
        raise click.ClickException(f"{where}: cannot be written ({error.strerror}).") from error
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of click 8.2, and no mistake
            raise
        command = error.ctx.command_path if error.ctx else "gandem"
        words = " ".join(error.format_message().splitlines())
        stop = "" if words.endswith((".", "?")) else "."
        raise Misuse(f"{words}{stop} See '{command} --help'.") from None
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """Read whole numbers with commas: 3,8."""
    try:
        return tuple(int(part) for part in value.split(",")) if value else ()
    except ValueError:
        raise click.BadParameter(
            f"expected whole numbers with commas, like 3,8; received {value!r}."
        ) from None


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="gandem")
def main() -> None:
    """Train one GAN spec on PyTorch and on Keras, step for step the same."""


# --- looking -------------------------------------------------------------------------------------


@main.command("list")
@click.argument("pattern", default="*")
@JSON
def list_(pattern: str, as_json: bool) -> None:
    """List models, backends, data sets, objectives and layers.

    PATTERN, like 'c*', chooses models.
    """
    from fnmatch import fnmatch

    from gandem.core.doctor import versions_of
    from gandem.core.errors import suggest
    from gandem.core.registry import installed, registry

    table = registry()
    models = [row for row in table.rows("models") if fnmatch(row.id, pattern)]
    backends = [
        {
            "id": row.id,
            "title": row.title,
            "installed": installed(row),
            "version": versions_of(row.requires) if installed(row) else None,
            "install": row.install,
            "provider": row.provider,
        }
        for row in table.rows("backends")
    ]
    if as_json:
        keys = ("id", "title", "paper", "provider")
        few = ("id", "title", "provider")
        _print_json(
            {
                "models": [{key: getattr(row, key) for key in keys} for row in models],
                "backends": backends,
                **{
                    name: [{key: getattr(row, key) for key in few} for row in table.rows(name)]
                    for name in ("datasets", "objectives", "layers")
                },
            }
        )
        return
    if models:
        _table("models", [(row.id, row.title, row.paper) for row in models])
    else:
        near = suggest(pattern, [row.id for row in table.rows("models")])
        click.echo(f"No model fits {pattern!r}.{near}")
    ready = (
        (b["id"], b["title"], b["version"] or f"not installed: {b['install']}") for b in backends
    )
    _table("backends", ready)
    _table("data sets", [(row.id, row.title) for row in table.rows("datasets")])
    _table("objectives", [(row.id, row.title) for row in table.rows("objectives")])
    if layers := table.rows("layers"):
        _table("layers", [(row.id, row.title) for row in layers])


@main.command()
@click.argument("model")
@SET
@click.option(
    "--size", type=click.Choice(["full", "small"]), default="full", help="The model's size."
)
@click.option(
    "--toml", "as_toml", is_flag=True, help="Print the spec as TOML, every field written out."
)
@JSON
def show(model: str, changes: tuple[str, ...], size: str, as_toml: bool, as_json: bool) -> None:
    """Show a model, a spec or a run: layers, shapes, parameters.

    MODEL is a name from 'gandem list', a .toml or .json spec, or a run's folder.
    """
    from gandem.core.registry import load_spec
    from gandem.core.spec import digest, plan_spec, to_data, to_toml
    from gandem.core.words import layers_of, run_in_data, run_in_full, spec_in_words

    run = _run_called(model)
    if run is not None and (changes or size != "full"):
        raise click.UsageError("--set and --size change a model; a run is what it is.")
    spec = run.spec if run else load_spec(model, _settings(changes), small=size == "small")
    if as_toml:
        click.echo(to_toml(spec), nl=False)
    elif as_json:
        counts = {name: plan.parameter_count for name, plan in plan_spec(spec).items()}
        _print_json(
            {"model": spec.name, "digest": digest(spec)}
            | {"networks": layers_of(spec), "parameters": counts, "spec": to_data(spec)}
            | ({"run": run_in_data(run)} if run else {})
        )
    else:
        click.echo(f"{run_in_full(run)}\n\n" if run else "", nl=False)
        click.echo(spec_in_words(spec))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@JSON
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER, oldest first."""
    from gandem.core.runs import find_runs
    from gandem.core.words import runs_in_words

    there = folder.is_dir() or folder != Path("runs")  # nobody needs to have trained yet
    found = find_runs(folder) if there else []
    if as_json:
        _print_json({"runs": [run.to_data() for run in found]})
    elif found:
        click.echo(runs_in_words(found))
    else:
        click.echo(f"No runs in {folder}. 'gandem train MODEL' makes one.")


@main.command()
@JSON
def plugins(as_json: bool) -> None:
    """Show where everything comes from, and what is wrong with it."""
    from dataclasses import asdict

    from gandem.core.registry import registry

    found = registry().plugins
    if as_json:
        _print_json({"plugins": [asdict(plugin) for plugin in found]})
        return
    for plugin in found:
        adds = "; ".join(f"{table}: {', '.join(ids)}" for table, ids in plugin.adds.items())
        does = (adds or "adds nothing") if plugin.loaded else "not loaded"
        click.echo(
            f"{plugin.name} {plugin.version}".rstrip() + f"  ({plugin.distribution})  {does}"
        )
        for problem in plugin.problems:
            click.echo(f"  ! {problem}")


@main.command()
@JSON
def doctor(as_json: bool) -> None:
    """Check this machine: versions, backends, devices, plugins."""
    from gandem.core.doctor import examine

    facts = examine()
    if as_json:
        _print_json(facts)
        return
    click.echo(f"python     {facts['python']} on {facts['platform']}, {facts['cores']} cores")
    click.echo("packages   " + ", ".join(f"{k} {v}" for k, v in facts["packages"].items()))
    for name, found in facts["backends"].items():
        if found["ok"]:
            versions = ", ".join(f"{k} {v}" for k, v in found["versions"].items())
            click.echo(f"{name:<10} {versions}; devices: {', '.join(found['devices'])}")
        else:
            click.echo(f"{name:<10} {found['problem']}")
    for name, problems in facts["plugins"].items():
        for problem in problems:
            click.echo(f"plugin {name}: {problem}")


# --- doing ---------------------------------------------------------------------------------------


@main.command()
@click.argument("model")
@click.option("--backend", default="torch", help="Framework to train on.")
@click.option(
    "--data", default="digits", metavar="NAME[:ARGUMENT]", help="Data set, see 'gandem list'."
)
@DATA_DIR
@click.option(
    "--classes",
    callback=_numbers,
    default="",
    metavar="A,B",
    show_default="all",
    help="Only these classes, like 3,8, renumbered from 0.",
)
@click.option(
    "--epochs", type=click.IntRange(1), show_default="the model's own", help="Passes over the data."
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    show_default="as many as the epochs take",
    help="Training steps, instead of epochs.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of everything random.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    show_default="the model's own",
    help="Images in a batch.",
)
@SET
@click.option("--precision", type=PRECISION, default="float32", help="Arithmetic.")
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
    "--keep", type=click.IntRange(0), default=3, help="Newest checkpoints to keep; 0 keeps all."
)
@click.option(
    "--best",
    metavar="METRIC[:min|:max]",
    show_default="none",
    help="Keep the best checkpoint too, by the lowest or highest of generator, discriminator, "
    "real_accuracy or fake_accuracy.",
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
    """
    from gandem.core.runs import Settings, train

    chosen = _settings(changes)
    if batch_size is not None:
        chosen["training.batch_size"] = batch_size
    with _follow(model, quiet=as_json) as following:
        run = train(model, settings=Settings(**settings), changes=chosen, out=out, **following)
    _print_outcome(run, as_json)


@main.command()
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

    with _follow(run.name, quiet=as_json) as following:
        resumed = resume(run, **options, **following)
    _print_outcome(resumed, as_json)


@main.command()
@RUN
@click.option("-n", "--count", type=click.IntRange(1), default=25, help="How many images.")
@click.option(
    "--label",
    type=int,
    show_default="all take turns",
    help="Class to make, from 0, for conditional models.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise.")
@click.option(
    "--backend", show_default="the run's own", help="Framework to generate on; any will do."
)
@DEVICE
@click.option(
    "--checkpoint",
    "which",
    default="last",
    metavar="NAME",
    help="last, best, or the step of a checkpoint that is there.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Use the last weights instead of their average, if the run keeps one.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="grid.png, or images.npz."
)
@JSON
def generate(run: Path, count: int, out: Path, as_json: bool, **options: Any) -> None:
    """Make images from RUN, whichever framework trained it.

    Without --label the classes of a conditional model take turns, a column each in the grid; so do
    the categories of a latent code.
    """
    from gandem.core.errors import RunError
    from gandem.core.runs import open_run
    from gandem.core.runs.progress import Bars

    if out.suffix.lower() not in (".png", ".npz"):
        raise RunError(f"{out}: expected a name that ends in .png (a grid) or .npz (arrays).")
    if not os.path.isdir(out.parent):
        raise RunError(f"{out}: there is no folder {out.parent}.")
    with Bars(quiet=as_json, unit="images") as bars:
        opened = open_run(run)
        made = opened.generate(
            count, **options, progress=lambda done: bars.show("generate", done, count)
        )
    made.save(out)
    if as_json:
        _print_json({"out": str(out), "count": count, "run": str(run)})
    else:
        click.echo(f"{count} images in {out}")


@main.command()
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
            model, backends=names, changes=_settings(changes), progress=show, **options
        )
    if as_json:
        _print_json(report.to_data())
    else:
        click.echo(report_in_words(report))
    sys.exit(0 if report.holds else 1)


@main.command()
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
        _print_json(found.to_data())
    else:
        click.echo(check_in_words(found))
    sys.exit(0 if found.holds else 1)


@main.command()
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
        _print_json(found.to_data())
    else:
        click.echo(tandem_in_words(found))


# --- writing plugins -----------------------------------------------------------------------------


@main.group(cls=Group)
def plugin() -> None:
    """Write a plugin of your own."""


@plugin.command("new")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["model", "backend", "dataset"]),
    required=True,
    help="What it adds.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), show_default="NAME", help="The package's folder."
)
@JSON
def plugin_new(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a package NAME that installs, trains and passes its tests as it is.

    It adds NAME/example, for you to change: a model, a backend or a data set.
    """
    from dataclasses import asdict

    from gandem.core.scaffold import new_plugin

    made = new_plugin(name, kind, out)
    if as_json:
        _print_json(asdict(made) | {"folder": str(made.folder)})
        return
    click.echo(f"{made.folder} is a package that adds {made.id!r}.  From there to a trained grid:")
    for line in (f"cd {shlex.quote(str(made.folder))}", *made.commands):
        click.echo(f"  {line}")


# --- training, and what is said of it ------------------------------------------------------------


@contextlib.contextmanager
def _follow(who: str, *, quiet: bool) -> Iterator[dict[str, Any]]:
    """Show the progress of a training while it goes on."""
    from gandem.core.runs.progress import Bars
    from gandem.core.words import losses_in_short

    with Bars(quiet=quiet) as bars:

        def show(at: Progress) -> None:
            bars.show(who, at.step, at.total, losses_in_short(at.losses))

        yield {"progress": show, "notice": bars.say}


def _print_outcome(run: Run, as_json: bool) -> None:
    """Say how a training went; an interrupted one has its own exit code."""
    from gandem.core.words import outcome_in_words

    facts = run.facts
    if as_json:
        keys = ("state", "steps", "seconds", "seconds_to_first_step", "steps_per_second", "losses")
        said = {key: facts.get(key) for key in (*keys, "best")}
        _print_json({"run": str(run.path), **said, "checkpoint": str(run.checkpoints()[-1])})
    else:
        click.echo(outcome_in_words(run))
    if facts["state"] == "interrupted":
        sys.exit(EXIT_CODE)


# --- printing ------------------------------------------------------------------------------------


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _table(title: str, rows: Iterable[tuple[Any, ...]]) -> None:
    from gandem.core.tables import aligned

    click.secho(title, bold=True)
    click.echo(aligned(rows))


def _settings(changes: Iterable[str]) -> dict[str, Any]:
    from gandem.core.spec import parse_setting

    return dict(parse_setting(text) for text in changes)


def _run_called(name: str) -> Run | None:
    """Return the run in a folder; a model's name means the model, even beside a folder of that
    name.
    """
    from gandem.core.errors import NotFoundError
    from gandem.core.registry import registry

    if not os.path.isdir(name):
        return None
    try:
        registry().find("models", name)
    except NotFoundError:
        from gandem.core.runs import open_run

        return open_run(name)
    return None


if __name__ == "__main__":
    main()
