"""What a machine can do: versions, backends with their devices, and plugins with problems."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gandem.core.plugins.distributions import version_of
from gandem.core.plugins.registry import Plugin, installed, registry

__all__ = ["examine", "machine", "versions_of"]

PACKAGES = ("gandem", "numpy", "pluggy", "safetensors", "click", "rich", "imageio")


def examine() -> dict[str, Any]:
    """Return the facts, as plain data."""
    import platform

    table = registry()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: version_of(name) for name in PACKAGES},
        "backends": {
            row.id: _probe(row.id)
            if installed(row)
            else {"ok": False, "problem": f"not installed: {row.install}"}
            for row in table.entries("backends")
        },
        "plugins": _problems(table.plugins),
    }


def machine() -> str:
    """Return what a training runs on, in a few words: ``"AMD EPYC 9B14, 2 cores, Linux"``."""
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = next(iter(names), "") or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def _problems(plugins: Iterable[Plugin]) -> dict[str, list[str]]:
    """Return what is wrong by plugin; those of one name share it."""
    found: dict[str, list[str]] = {}
    for plugin in plugins:
        if plugin.problems:
            found.setdefault(plugin.name, []).extend(plugin.problems)
    return found


def versions_of(modules: tuple[str, ...]) -> str | None:
    """Return packages with their versions, without importing them: ``"keras 3.15.1, …"``."""
    versions = {name: version_of(name) for name in modules}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version) or None


def _probe(backend: str) -> dict[str, Any]:
    """Ask a backend in a process of its own: some frameworks do not share one."""
    import json  # `gandem list` wants versions_of and shall not wait for more
    import subprocess

    code = (
        "import json, sys; from gandem.core.plugins.registry import load_backend; "
        "b = load_backend(sys.argv[1]); "
        "print(json.dumps({'ok': True, 'versions': b.versions(), 'devices': b.devices()}))"
    )
    done = subprocess.run([sys.executable, "-c", code, backend], capture_output=True, text=True)
    if done.returncode:
        return {"ok": False, "problem": (done.stderr.strip().splitlines() or ["no word"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
