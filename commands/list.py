"""``gandem list``: the registered models, backends, data sets and other entries."""

from __future__ import annotations

import click

from gandem.commands.options import JSON


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
        from gandem.commands.render_pretrained import print_pretrained

        print_pretrained(pattern, as_json)
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


COMMAND = list_
