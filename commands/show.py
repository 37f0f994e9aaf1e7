"""``gandem show``: the layers, shapes and parameters of a model, a spec or a run."""

from __future__ import annotations

import click

from gandem.commands.options import JSON, SET, find_run, parse_changes, size_option


@click.command()
@click.argument("model")
@SET
@size_option("full")
@click.option("--toml", "as_toml", is_flag=True, help="Print the spec as TOML, with every field.")
@JSON
def show(model: str, changes: tuple[str, ...], size: str, as_toml: bool, as_json: bool) -> None:
    """Show a model, a spec or a run: layers, parameters, memory.

    MODEL is a name from 'gandem list', a .toml or .json spec, or a run's folder.
    """
    from gandem.commands.output import print_json
    from gandem.commands.render import (
        describe_layers,
        describe_run,
        format_recipe,
        format_run_details,
        format_spec,
    )
    from gandem.commands.render_cost import describe_cost, find_cost, format_cost
    from gandem.core.specs import (
        digest,
        find_model,
        find_schedules,
        load_spec,
        plan_spec,
        to_data,
        to_toml,
    )
    from gandem.core.training import resolve_loss

    run = find_run(model)
    if run is not None and (changes or size != "full"):
        raise click.UsageError("--set and --size change a model; a run cannot be changed.")
    entry = None if run else find_model(model)
    if run is not None:
        spec = run.spec
    else:
        spec = load_spec(entry or model, parse_changes(changes), small=size == "small")
        resolve_loss(spec)
    if as_toml:
        click.echo(to_toml(spec), nl=False)
        return
    cost = find_cost(spec, run.settings().precision if run else "float32")
    if as_json:
        counts = {name: plan.parameter_count for name, plan in plan_spec(spec).items()}
        print_json(
            {"model": spec.name, "digest": digest(spec)}
            | {"networks": describe_layers(spec), "parameters": counts, "spec": to_data(spec)}
            | {"schedules": {path: str(schedule) for path, schedule in find_schedules(spec)}}
            | {"cost": describe_cost(cost)}
            | ({"run": describe_run(run)} if run else {})
            | ({"recipe": {"data": entry.data, "classes": entry.classes}} if entry else {})
        )
    else:
        if run:
            click.echo(f"{format_run_details(run)}\n")
        click.echo(f"{format_spec(spec)}\n{format_cost(cost)}")
        if entry:
            click.echo(format_recipe(entry))


COMMAND = show
