"""``gandem list``: the registered models, backends, data sets and other entries."""

from __future__ import annotations

import click

from gandem.commands.options import JSON


@click.command("list")
@click.argument("pattern", default="*")
@JSON
def list_(pattern: str, as_json: bool) -> None:
    """List models, backends, data sets and losses.

    PATTERN, like 'c*', selects models.
    """
    from fnmatch import fnmatch

    from gandem.commands.output import print_json, print_table
    from gandem.core.errors import suggest
    from gandem.core.plugins.discovery import format_versions
    from gandem.core.plugins.entry import KINDS
    from gandem.core.plugins.registry import is_installed, registry

    entries = registry().entries
    models = [entry for entry in entries("models") if fnmatch(entry.id, pattern)]
    backends = [
        {
            "id": entry.id,
            "title": entry.title,
            "installed": is_installed(entry),
            "version": format_versions(entry.requires) if is_installed(entry) else None,
            "install": entry.install,
            "provider": entry.provider,
        }
        for entry in entries("backends")
    ]
    if as_json:
        others = [kind for kind in KINDS if kind not in ("models", "backends")]
        print_json(
            {
                "models": [
                    {key: getattr(entry, key) for key in ("id", "title", "paper", "provider")}
                    for entry in models
                ],
                "backends": backends,
                **{
                    kind: [
                        {key: getattr(entry, key) for key in ("id", "title", "provider")}
                        for entry in entries(kind)
                    ]
                    for kind in others
                },
            }
        )
        return
    if models:
        print_table("models", [(entry.id, entry.title, entry.paper) for entry in models])
    else:
        near = suggest(pattern, [entry.id for entry in entries("models")])
        click.echo(f"No model matches {pattern!r}.{near}")
    states = [
        backend["version"]
        or ("" if backend["installed"] else f"not installed: {backend['install']}")
        for backend in backends
    ]
    rows = [(b["id"], b["title"], state) for b, state in zip(backends, states, strict=True)]
    print_table("backends", rows)
    kinds = ("datasets", "losses", "extractors", "launchers", "callbacks", "metrics", "layers")
    for kind in kinds:
        if found := entries(kind):
            title = "data sets" if kind == "datasets" else kind
            print_table(title, [(entry.id, entry.title) for entry in found])


COMMAND = list_
