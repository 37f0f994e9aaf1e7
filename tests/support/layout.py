"""The layout of the repository, and running tools in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_SHIPPED = {"tests", "docs", "examples", "benchmarks", "build", "dist", "runs"}
PAGES = (  # files that browsers read
    Path("compare") / "report" / "templates",
    Path("exporters") / "web" / "page",
    Path("exporters") / "web" / "runtime",
)
TEMPLATES = Path("scaffold") / "templates"  # the sources of new plugins
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax"}


def shipped_sources() -> list[Path]:
    """Return the Python files of the package, relative to the root."""
    sources = []
    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__")) and not name.endswith(".egg-info")
            if here != Path() or name not in NOT_SHIPPED
            if here / name != TEMPLATES
        ]
        sources += [here / name for name in names if name.endswith(".py")]
    return sorted(sources)


def run(*command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    settings = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 300} | settings
    return subprocess.run(command, **settings)  # type: ignore[call-overload]


def own_environment() -> dict[str, str]:
    """Return the environment without gandem's variables and without third-party plugins."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("GANDEM")}
    return others | {"GANDEM_PLUGINS": "tensorboard"}


def tool(name: str) -> str:
    """Return the path of a development tool, preferably of this environment."""
    path = shutil.which(name, path=os.fspath(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: pip install -e '.[dev]'")
    return path
