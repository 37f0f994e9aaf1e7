"""Commands that look: at what there is, at a model, at runs, at this machine."""

from __future__ import annotations

from pathlib import Path

import click

from gandem.commands.frame import (
    DATA_DIR,
    JSON,
    SET,
    print_json,
    print_table,
    run_called,
    settings_of,
)


@click.command("list")
@click.argument("pattern", default="*")
@JSON
def list_(pattern: str, as_json: bool) -> None:
    """List models, backends, data sets, losses and layers.

    PATTERN, like 'c*', chooses models.
    """
    from fnmatch import fnmatch

    from gandem.commands.doctor_ import versions_of
    from gandem.core.errors import suggest
    from gandem.core.plugins.registry import installed, registry

    table = registry()
    models = [row for row in table.entries("models") if fnmatch(row.id, pattern)]
    backends = [
        {
            "id": row.id,
            "title": row.title,
            "installed": (there := installed(row)),
            "version": versions_of(row.requires) if there else None,
            "install": row.install,
            "provider": row.provider,
        }
        for row in table.entries("backends")
    ]
    if as_json:
        keys = ("id", "title", "paper", "provider")
        few = ("id", "title", "provider")
        print_json(
            {
                "models": [{key: getattr(row, key) for key in keys} for row in models],
                "backends": backends,
                **{
                    name: [{key: getattr(row, key) for key in few} for row in table.entries(name)]
                    for name in ("datasets", "losses", "layers", "extractors", "launchers")
                },
            }
        )
        return
    if models:
        print_table("models", [(row.id, row.title, row.paper) for row in models])
    else:
        near = suggest(pattern, [row.id for row in table.entries("models")])
        click.echo(f"No model fits {pattern!r}.{near}")
    ready = (
        (
            b["id"],
            b["title"],
            b["version"] or ("" if b["installed"] else f"not installed: {b['install']}"),
        )
        for b in backends
    )
    print_table("backends", ready)
    print_table("data sets", [(row.id, row.title) for row in table.entries("datasets")])
    print_table("losses", [(row.id, row.title) for row in table.entries("losses")])
    for name in ("extractors", "launchers"):
        print_table(name, [(row.id, row.title) for row in table.entries(name)])
    if layers := table.entries("layers"):
        print_table("layers", [(row.id, row.title) for row in layers])


@click.command()
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
    from gandem.commands.render import (
        layers_of,
        recipe_in_words,
        run_in_data,
        run_in_full,
        spec_in_words,
    )
    from gandem.core.plugins.registry import find_model, load_spec
    from gandem.core.specs import digest, plan_spec, to_data, to_toml

    run = run_called(model)
    if run is not None and (changes or size != "full"):
        raise click.UsageError("--set and --size change a model; a run is what it is.")
    row = None if run else find_model(model)
    spec = run.spec if run else load_spec(model, settings_of(changes), small=size == "small")
    if as_toml:
        click.echo(to_toml(spec), nl=False)
    elif as_json:
        counts = {name: plan.parameter_count for name, plan in plan_spec(spec).items()}
        print_json(
            {"model": spec.name, "digest": digest(spec)}
            | {"networks": layers_of(spec), "parameters": counts, "spec": to_data(spec)}
            | ({"run": run_in_data(run)} if run else {})
            | ({"recipe": {"data": row.data, "classes": row.classes}} if row else {})
        )
    else:
        click.echo(f"{run_in_full(run)}\n\n" if run else "", nl=False)
        click.echo(spec_in_words(spec))
        click.echo(recipe_in_words(row) if row else "", nl=bool(row))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="runs")
@JSON
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER, oldest first."""
    from gandem.commands.render import runs_in_words
    from gandem.core.runs import find_runs

    there = folder.is_dir() or folder != Path("runs")  # nobody needs to have trained yet
    found = find_runs(folder) if there else []
    if as_json:
        print_json({"runs": [run.to_data() for run in found]})
    elif found:
        click.echo(runs_in_words(found))
    else:
        click.echo(f"No runs in {folder}. 'gandem train MODEL' makes one.")


@click.command()
@click.argument("name", metavar="PATH|NAME[:ARGUMENT]")
@DATA_DIR
@click.option(
    "-n", "--count", type=click.IntRange(1, 50), default=10, help="Images of each class shown."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    show_default="none is written",
    help="A picture of some of each class, sheet.png.",
)
@JSON
def data(name: str, data_dir: Path | None, count: int, out: Path | None, as_json: bool) -> None:
    """Show what data is: counts, sizes, problems, samples.

    NAME is one from 'gandem list'; a PATH alone means folder:PATH.
    """
    from gandem.core.data.summary import look

    found = look(name, data_dir, each=count, out=out, quiet=as_json)
    if as_json:
        print_json(found.to_data() | ({"out": str(out)} if out else {}))
    else:
        click.echo(found.in_words())
        if out:
            click.echo(f"a picture of some in {out}")


@click.command()
@JSON
def plugins(as_json: bool) -> None:
    """Show where everything comes from, and what is wrong with it."""
    from dataclasses import asdict

    from gandem.core.plugins.registry import registry

    found = registry().plugins
    if as_json:
        print_json({"plugins": [asdict(plugin) for plugin in found]})
        return
    for plugin in found:
        adds = "; ".join(f"{table}: {', '.join(ids)}" for table, ids in plugin.adds.items())
        does = (adds or "adds nothing") if plugin.loaded else "not loaded"
        click.echo(
            f"{plugin.name} {plugin.version}".rstrip() + f"  ({plugin.distribution})  {does}"
        )
        for problem in plugin.problems:
            click.echo(f"  ! {problem}")


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Check this machine: versions, backends, devices, plugins."""
    from gandem.commands.doctor_ import examine

    facts = examine()
    if as_json:
        print_json(facts)
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


COMMANDS = (list_, show, data, runs, plugins, doctor)
