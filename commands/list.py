"""``gandem list``: the registered models, backends, data sets and other entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gandem.commands.options import JSON

if TYPE_CHECKING:
    from gandem.core.plugins.entry import Entry


@click.command("list")
@click.argument("pattern", default="*")
@click.option(
    "--pretrained",
    "is_pretrained",
    is_flag=True,
    show_default="off",
    help="List the pretrained models with their data, training and scores.",
)
@JSON
def list_(pattern: str, is_pretrained: bool, as_json: bool) -> None:
    """List models, backends, data sets and other entries.

    PATTERN, like 'c*', selects models.
    """
    if is_pretrained:
        _print_pretrained(pattern, as_json)
        return
    from fnmatch import fnmatch

    from gandem.commands.output import print_json, print_table
    from gandem.core.errors import suggest
    from gandem.core.plugins.discovery import format_versions
    from gandem.core.plugins.entry import KINDS
    from gandem.core.plugins.registry import is_installed, registry

    entries = registry().entries
    models = [entry for entry in entries("models") if fnmatch(entry.id.lower(), pattern.lower())]
    backends = entries("backends")
    versions = {e.id: format_versions(e.requires) if is_installed(e) else None for e in backends}
    installs = {e.id: "" if is_installed(e) else e.install_command for e in backends}
    if as_json:
        keys = ("id", "title", "provider")
        data = {
            kind: [{key: getattr(entry, key) for key in keys} for entry in entries(kind)]
            for kind in KINDS
        }
        data["models"] = [{key: getattr(e, key) for key in (*keys, "paper")} for e in models]
        for row, entry in zip(data["backends"], backends, strict=True):
            facts = {"installed": is_installed(entry), "version": versions[entry.id]}
            row |= {**facts, "install": installs[entry.id]}
        print_json(data)
        return
    if models:
        print_table("models", [(entry.id, entry.title, entry.paper) for entry in models])
    else:
        near = suggest(pattern, [entry.id for entry in entries("models")])
        click.echo(f"No model matches {pattern!r}.{near}")
    states = {
        entry.id: versions[entry.id] or ("" if is_installed(entry) else f"not installed: {command}")
        for entry, command in zip(backends, installs.values(), strict=True)
    }
    print_table("backends", [(e.id, e.title, states[e.id]) for e in backends])
    others = ("datasets", "losses", "extractors", "launchers", "callbacks", "metrics", "exporters")
    titles = {"datasets": "data sets", "pretrained": "pretrained models"}
    for kind in (*others, "layers", "schedules", "pretrained"):
        if rows := [(entry.id, entry.title) for entry in entries(kind)]:
            print_table(titles.get(kind, kind), rows)


def _print_pretrained(pattern: str, as_json: bool) -> None:
    """Print the facts of the pretrained models whose names match a pattern."""
    from fnmatch import fnmatch

    from gandem.commands.output import print_json
    from gandem.core.errors import suggest
    from gandem.core.machine import format_size
    from gandem.core.plugins.registry import registry
    from gandem.core.runs.saved.card import describe_protocol
    from gandem.core.runs.saved.targets import KIND
    from gandem.terminal.tables import format_table

    entries = registry().entries(KIND)
    rows = [_describe(entry) for entry in entries if fnmatch(entry.id.lower(), pattern.lower())]
    if as_json:
        print_json(rows)
        return
    if not rows:
        near = suggest(pattern, [entry.id for entry in entries])
        click.echo(f"No pretrained model matches {pattern!r}.{near}")
        return
    table = [("", "data", "steps", "fréchet (real)", "license", "size", "")]
    for row in rows:
        table.append(
            (
                row["id"],
                row["data"],
                f"{row['steps']:,}",
                _format_score(row["scores"], row["real_baseline"], "frechet"),
                row["license"] or "–",
                format_size(row["bytes"]),
                row["title"],
            )
        )
    click.echo(format_table(table))
    protocols = {describe_protocol(row["protocol"]) for row in rows if row["protocol"]}
    click.echo("\n" + "\n".join(f"scores: {text}" for text in sorted(protocols)))


def _describe(entry: Entry) -> dict[str, Any]:
    """Return the facts of a pretrained model as data."""
    from gandem.core.runs import open_run
    from gandem.core.runs.checkpoint import MODEL

    run = open_run(entry.id)
    record, evaluation = run.record, run.record.evaluation or {}
    last = evaluation.get("last") or {}
    return {
        "id": entry.id,
        "title": entry.title,
        "provider": entry.provider,
        "model": record.model,
        "data": record.data.name,
        "data_license": record.data.license,
        "classes": list(record.data.class_names) if run.spec.classes else [],
        "steps": record.steps,
        "scores": {name: value for name, value in last.items() if name != "step"},
        "real_baseline": evaluation.get("real_baseline"),
        "protocol": evaluation.get("protocol"),
        "license": record.license,
        "bytes": (run.path / MODEL).stat().st_size,
        "sha256": entry.sha256,
        "spec_digest": record.spec_digest,
        "command": record.first_command,
        "seed": record.seed,
        "versions": record.versions,
    }


def _format_score(scores: dict[str, Any], real: dict[str, Any] | None, name: str) -> str:
    value, baseline = scores.get(name), (real or {}).get(name)
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.3g}" + (f" ({baseline:.2g})" if isinstance(baseline, int | float) else "")


COMMAND = list_
