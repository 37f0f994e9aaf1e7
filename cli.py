"""The `gandem` command: each command parses, calls the library, prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gandem.core.parity import Report
    from gandem.core.runs import Progress

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
PRECISION = click.Choice(["float32", "float64"])


class Group(click.Group):
    """Commands whose mistakes of the user's are one line, and whose misspelt names are answered
    with the nearest.
    """

    def invoke(self, ctx: click.Context) -> Any:
        from gandem.core.errors import GandemError

        try:
            return super().invoke(ctx)
        except GandemError as error:
            raise click.ClickException(str(error)) from error
        except MemoryError:
            raise click.ClickException(
                "There is not enough memory for this; use a smaller model or batch."
            ) from None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from gandem.core.errors import suggest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}.{suggest(args[0], self.commands)}"
            )
        return super().resolve_command(ctx, args)


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
    """List models, backends and data sets; PATTERN, like 'c*', chooses models."""
    from fnmatch import fnmatch

    from gandem.core.registry import installed, registry

    table = registry()
    models = [row for row in table.rows("models") if fnmatch(row.id, pattern)]
    backends = [
        {
            "id": row.id,
            "title": row.title,
            "installed": installed(row),
            "version": _version(row.requires) if installed(row) else None,
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
                "datasets": [{k: getattr(row, k) for k in few} for row in table.rows("datasets")],
            }
        )
        return
    _table("models", [(row.id, row.title, row.paper) for row in models])
    ready = (
        (b["id"], b["title"], b["version"] or f"not installed: {b['install']}") for b in backends
    )
    _table("backends", ready)
    _table("data sets", [(row.id, row.title) for row in table.rows("datasets")])


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
    """Show a model, a spec file or a run: its layers, shapes and parameters.

    MODEL is a name from 'gandem list', a .toml or .json spec, or a run's folder.
    """
    from gandem.core.spec import digest, plan_spec, to_data, to_toml

    spec = _spec_or_run(model, changes, size)
    if as_toml:
        click.echo(to_toml(spec), nl=False)
        return
    plans = plan_spec(spec)
    layers = {
        name: [
            {
                "name": node.path.partition("/")[2],
                "kind": node.layer.kind,
                "output_shape": list(node.output_shape),
                "parameters": sum(p.size for inner in node.walk() for p in inner.parameters),
            }
            for node in plan.nodes
        ]
        for name, plan in plans.items()
    }
    counts = {name: plan.parameter_count for name, plan in plans.items()}
    if as_json:
        _print_json(
            {"model": spec.name, "digest": digest(spec), "networks": layers, "parameters": counts}
            | {"spec": to_data(spec)}
        )
        return
    click.echo(f"{spec.name}  (spec {digest(spec)[:12]})")
    for name, plan in plans.items():
        reads = ", ".join(f"{key} {shape}" for key, shape in plan.inputs.items())
        click.echo()
        rows: list[tuple[Any, ...]] = [
            (
                row["name"],
                node.output_shape,
                f"{row['parameters']:,}" if row["parameters"] else "",
            )
            for row, node in zip(layers[name], plan.nodes, strict=True)
        ]
        _table(f"{name}: {counts[name]:,} parameters, reads {reads}", rows)
        click.echo(f"  trained by {_words(spec.player(name).optimiser)}")
    click.echo()
    image, training = spec.image, spec.training
    click.echo(f"image      {image.shape}, pixels from {image.low:g} to {image.high:g}")
    click.echo(f"latent     {spec.latent.size} {spec.latent.distribution} numbers")
    click.echo(f"classes    {spec.classes or 'none'}")
    click.echo(f"objective  {_words(spec.objective)}")
    click.echo(f"training   {_words(training)}")


@main.command()
@JSON
def plugins(as_json: bool) -> None:
    """Show where everything comes from, and what is wrong with it if anything."""
    from dataclasses import asdict

    from gandem.core.registry import registry

    found = registry().plugins
    if as_json:
        _print_json({"plugins": [asdict(plugin) | {"loaded": _loaded(plugin)} for plugin in found]})
        return
    for plugin in found:
        adds = "; ".join(f"{table}: {', '.join(ids)}" for table, ids in plugin.adds.items())
        release = f" {plugin.version}" if plugin.version else ""
        click.echo(f"{plugin.name}  ({plugin.distribution}{release})  {adds or 'adds nothing'}")
        for problem in plugin.problems:
            click.echo(f"  ! {problem}")


@main.command()
@JSON
def doctor(as_json: bool) -> None:
    """Check this machine: versions, backends and their devices, plugins with problems."""
    import os
    import platform
    from importlib.metadata import version

    from gandem.core.registry import installed, registry

    table = registry()
    packages = ["gandem", "numpy", "pluggy", "safetensors", "click", "rich", "imageio"]
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages},
        "backends": {
            row.id: _probe(row.id)
            if installed(row)
            else {"ok": False, "problem": f"not installed: {row.install}"}
            for row in table.rows("backends")
        },
        "plugins": {p.name: p.problems for p in table.plugins if p.problems},
    }
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
@click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder with the data set's files."
)
@click.option(
    "--classes", callback=_numbers, default="", metavar="A,B", help="Only these classes, like 3,8."
)
@click.option(
    "--epochs", type=click.IntRange(1), show_default="the model's own", help="Passes over the data."
)
@click.option("--steps", type=click.IntRange(1), help="Training steps, instead of epochs.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of everything random.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    show_default="the model's own",
    help="Images in a batch.",
)
@SET
@click.option("--precision", type=PRECISION, default="float32", help="Arithmetic.")
@click.option(
    "--device", default="auto", help="cpu, cuda, cuda:1; auto takes a GPU if there is one."
)
@click.option(
    "--log-every", type=click.IntRange(1), default=20, help="Steps between rows of the log."
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
    """Train MODEL (a name, or a .toml or .json spec) and keep the run in a folder.

    Ctrl-C ends cleanly after the step: log, samples and weights so far are kept.
    """
    from gandem.core.runs import Settings, train

    chosen = _settings(changes)
    if batch_size is not None:
        chosen["training.batch_size"] = batch_size
    with _Bar(model, quiet=as_json) as bar:
        run = train(
            model, settings=Settings(**settings), changes=chosen, out=out, progress=bar.show
        )
    facts = run.facts
    if as_json:
        keys = ("state", "steps", "seconds", "steps_per_second", "losses")
        _print_json({"run": str(run.path)} | {key: facts[key] for key in keys})
    else:
        losses = "  ".join(f"{name} {value:.3f}" for name, value in facts["losses"].items())
        click.echo(
            f"{facts['state']} after {facts['steps']} steps in {facts['seconds']:.1f} s: {losses}"
        )
        click.echo(f"run      {run.path}")
        click.echo(
            f"samples  {max((run.path / 'samples').glob('*.png'), key=lambda p: p.stat().st_mtime)}"
        )
        click.echo(f"more     gandem generate {run.path} -n 25 -o grid.png")
    if facts["state"] == "interrupted":
        sys.exit(130)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-n", "--count", type=click.IntRange(1), default=25, help="How many images.")
@click.option(
    "--label", type=int, help="Class to make, for conditional models; else all take turns."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the noise.")
@click.option(
    "--backend", show_default="the run's own", help="Framework to generate on; any will do."
)
@click.option(
    "--device", default="auto", help="cpu, cuda, cuda:1; auto takes a GPU if there is one."
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
    """Make images from RUN, on either framework, whichever trained it."""
    import numpy as np

    from gandem.core.errors import RunError
    from gandem.core.files import fill_file
    from gandem.core.images import grid, save_image
    from gandem.core.runs import open_run

    if out.suffix not in (".png", ".npz"):
        raise RunError(f"{out}: expected a name that ends in .png (a grid) or .npz (arrays).")
    if not out.parent.is_dir():
        raise RunError(f"{out}: there is no folder {out.parent}.")
    opened = open_run(run)
    made = opened.generate(count, **options)
    if out.suffix == ".png":
        turns = made.labels is not None and options["label"] is None
        save_image(out, grid(made.images, min(opened.spec.classes, 10) if turns else None))
    else:
        arrays = {"images": made.images}
        if made.labels is not None:
            arrays["labels"] = made.labels

        def fill(path: Path) -> None:
            with path.open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

        fill_file(out, fill)
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
    type=click.Choice(["auto", "trajectory", "step", "twin"]),
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
    """Measure how far apart two backends are on MODEL; exit code 1 if the promise does not hold."""
    from gandem.core.parity import measure

    names = [name.strip() for name in backends.split(",") if name.strip()]
    with _ParityBar(options["steps"], quiet=as_json) as bar:
        report = measure(
            model, backends=names, changes=_settings(changes), progress=bar.show, **options
        )
    if as_json:
        _print_json(report.to_data())
    else:
        _print_parity(report)
    sys.exit(0 if report.holds else 1)


# --- printing ------------------------------------------------------------------------------------


def _print_parity(report: Report) -> None:
    a, b = report.backends
    click.echo(
        f"{report.model} ({report.size}), {report.precision}, {a} against {b}, tier {report.tier}\n"
    )
    head = ("step", "weights max", "median", "loss max", "twin max", "twin median", "× twin")
    rows = [
        (
            mark.step,
            f"{mark.weights_max:.1e}",
            f"{mark.weights_median:.1e}",
            f"{mark.loss_max:.1e}",
            f"{mark.twin_max:.1e}",
            f"{mark.twin_median:.1e}",
            "saturated" if mark.saturated else f"{mark.ratio:.1f}",
        )
        for mark in report.marks
    ]
    _table("", [head, *rows], right=True)
    click.echo(f"\n{'holds' if report.holds else 'DOES NOT HOLD'}: {report.gate}")


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _table(title: str, rows: Iterable[tuple[Any, ...]], *, right: bool = False) -> None:
    """Print aligned columns under a title."""
    cells = [tuple(map(str, row)) for row in rows]
    if title:
        click.secho(title, bold=True)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    align: Callable[[str, int], str] = str.rjust if right else str.ljust
    for row in cells:
        click.echo("  " + "  ".join(align(c, w) for c, w in zip(row, widths, strict=True)).rstrip())


def _words(data: Any) -> str:
    from gandem.core.spec.fields import encode

    return ", ".join(f"{key} {value}" for key, value in encode(data).items())


def _settings(changes: Iterable[str]) -> dict[str, Any]:
    from gandem.core.spec import parse_setting

    return dict(parse_setting(text) for text in changes)


def _spec_or_run(model: str, changes: tuple[str, ...], size: str) -> Any:
    from gandem.core.registry import load_spec

    if (Path(model) / "run.json").is_file():
        from gandem.core.runs import open_run

        return open_run(model).spec
    return load_spec(model, _settings(changes), small=size == "small")


def _version(modules: tuple[str, ...]) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in modules:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found) or None


def _loaded(plugin: Any) -> bool:
    return bool(plugin.adds) or not plugin.problems


def _probe(backend: str) -> dict[str, Any]:
    """Ask a backend for its versions and devices in a process of its own: some frameworks do not
    share one.
    """
    import subprocess

    code = (
        "import json, sys; from gandem.core.registry import load_backend; "
        "b = load_backend(sys.argv[1]); "
        "print(json.dumps({'ok': True, 'versions': b.versions(), 'devices': b.devices()}))"
    )
    done = subprocess.run([sys.executable, "-c", code, backend], capture_output=True, text=True)
    if done.returncode:
        return {"ok": False, "problem": (done.stderr.strip().splitlines() or ["no word"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class _Bar:
    """A training's progress: a live bar on a terminal, a plain line now and then elsewhere, on
    standard error.
    """

    def __init__(self, title: str, *, quiet: bool) -> None:
        self.title, self.quiet = title, quiet
        self.bar: Any = None
        self.task: Any = None
        self.said = 0.0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, at: Progress) -> None:
        """Show where the training is."""
        if self.quiet:
            return
        losses = "  ".join(
            f"{short} {at.losses[name]:.3f}"
            for name, short in (("discriminator", "d"), ("generator", "g"))
            if name in at.losses
        )
        if sys.stderr.isatty():
            self._draw(at, losses)
            return
        import time

        now = time.monotonic()
        if at.step == at.total or now - self.said > 10:
            self.said = now
            left = f", {(at.total - at.step) / at.rate:.0f} s left" if at.rate else ""
            click.echo(
                f"step {at.step}/{at.total}  {losses}  {at.rate:.1f} steps/s{left}", err=True
            )

    def _draw(self, at: Progress, losses: str) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Live

            self.bar = Live(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[losses]}  {task.fields[rate]:.1f} steps/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.task = self.bar.add_task(self.title, total=at.total, losses="", rate=0.0)
            self.bar.start()
        self.bar.update(self.task, completed=at.step, losses=losses, rate=at.rate)


class _ParityBar:
    """The progress of a parity measurement: one bar for each process."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.total = total
        self.live = not quiet and sys.stderr.isatty()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> _ParityBar:
        if self.live:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Live

            self.bar = Live(
                TextColumn("{task.description:<18}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, who: str, step: int) -> None:
        """Show how far one process is."""
        if self.bar is None:
            return
        if who not in self.tasks:
            self.tasks[who] = self.bar.add_task(who, total=self.total)
        self.bar.update(self.tasks[who], completed=step)


if __name__ == "__main__":
    main()
