"""``gandem doctor``: versions, backends with their devices, and plugins with problems."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from gandem.commands.options import JSON

PACKAGES = ("gandem", "numpy", "safetensors", "click", "rich", "imageio")
TIMEOUT = 120.0
"""Seconds that a backend has to report its devices."""


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Check this machine: versions, backends, devices, plugins."""
    from gandem.commands.output import print_json
    from gandem.commands.render_reports import format_doctor

    facts = examine()
    if as_json:
        print_json(facts)
    else:
        click.echo(format_doctor(facts))


def examine() -> dict[str, Any]:
    """Return the facts about this machine as plain data."""
    import platform

    from gandem.core.plugins.discovery import find_version
    from gandem.core.plugins.registry import is_installed, registry

    plugins: dict[str, list[str]] = {}  # several plugins can have one name
    for plugin in registry().plugins:
        if plugin.problems:
            plugins.setdefault(plugin.name, []).extend(plugin.problems)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: find_version(name) for name in PACKAGES},
        "backends": {
            entry.id: probe_backend(entry.id)
            if is_installed(entry)
            else {"ok": False, "problem": f"not installed: {entry.install_command}"}
            for entry in registry().entries("backends")
        },
        "plugins": plugins,
    }


def probe_backend(backend: str) -> dict[str, Any]:
    """Return the versions and devices of a backend.

    The backend is loaded in its own process: some frameworks cannot share one.
    """
    import json

    from gandem.core.process import ChildCommand, run_child

    result = run_child(ChildCommand(module=__name__, arguments=(backend,)), timeout=TIMEOUT)
    if result.code:
        return {"ok": False, "problem": result.reason}
    facts: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return facts


def _print_backend(name: str) -> None:
    """Print the versions and devices of a backend as JSON."""
    import json

    from gandem.core.training import load_backend

    backend = load_backend(name)
    facts = {"ok": True, "versions": backend.versions(), "devices": backend.devices()}
    click.echo(json.dumps(facts))


COMMAND = doctor

if __name__ == "__main__":  # in the child process
    _print_backend(sys.argv[1])
