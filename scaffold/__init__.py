"""New plugins: packages that install, are listed, and pass their tests as they are written.

``templates/common`` holds the files that all kinds share. The folder of a kind holds its own files,
and in ``template.toml`` its parts of the shared ones.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import keyword
import os
import re
import secrets
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gandem.core.errors import GandemError, suggest
from gandem.core.files import make_folder

__all__ = ["KINDS", "NewPlugin", "new_plugin"]

KINDS = {
    "model": "models",
    "layer": "layers",
    "schedule": "schedules",
    "loss": "losses",
    "dataset": "datasets",
    "backend": "backends",
    "extractor": "extractors",
    "metric": "metrics",
    "callback": "callbacks",
    "launcher": "launchers",
    "exporter": "exporters",
}
"""What a new plugin can add, each with its kind of entries in the registry."""
RESERVED_NAMES = ("gandem", "my-plugin", "src", "test", "tests")
MAX_NAME_LENGTH = 40  # characters: lines of the templates have room for no more
DEPENDENCIES = ["gandem>=0.1,<1"]
INSTALL = ("pip install -e '.[dev]'", "pytest")
"""The commands that come first for every kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """A package that was written.

    Attributes:
        name: of the distribution, and the prefix of its ids.
        package: the name that Python imports.
        id: of its only entry.
        files: paths relative to ``folder``.
        commands: to run in ``folder``, from installing the package to using what it adds.
    """

    name: str
    kind: str
    package: str
    id: str
    folder: Path
    files: tuple[str, ...]
    commands: tuple[str, ...]


def new_plugin(name: str, kind: str, folder: Path | None = None) -> NewPlugin:
    """Write a package that adds one working example of a kind.

    Args:
        name: of the distribution: lower-case letters, digits and hyphens, ``"acme-gans"``.
        kind: a key of :data:`KINDS`.
        folder: the new folder of the package; by default called like the package.

    Raises:
        GandemError: the name cannot be used, or the folder exists or cannot be written.
    """
    if kind not in KINDS:
        raise GandemError(f"No kind of plugin named {kind!r}.{suggest(kind, KINDS)}")
    _check_name(name)
    folder = folder or Path(name)
    if os.path.lexists(folder):
        raise GandemError(f"{folder}: it exists; choose another --out.")
    package = _package_name(name)
    templates = files("gandem.scaffold").joinpath("templates")
    texts = dict(_read_files(templates.joinpath("common")))
    texts |= dict(_read_files(templates.joinpath(kind)))
    template = tomllib.loads(texts.pop("template.toml"))
    commands = (*INSTALL, *template["commands"])
    values = _placeholders(kind, template, commands) | {"my-plugin": name, "my_plugin": package}
    filled = {_fill(path, values): _fill(text, values) for path, text in sorted(texts.items())}
    _write(folder, filled)
    return NewPlugin(
        name=name,
        kind=kind,
        package=package,
        id=f"{name}/example",
        folder=folder,
        files=tuple(filled),
        commands=tuple(_fill(command, values) for command in commands),
    )


# --- the name --------------------------------------------------------------------------------


def _check_name(name: str) -> None:
    """Check that a distribution, a package and the prefix of an id can have a name.

    Raises:
        GandemError: they cannot; the message suggests another.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > MAX_NAME_LENGTH:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        near = near[:MAX_NAME_LENGTH].strip("-")
        hint = f" Did you mean {near!r}?" if near else ""
        raise GandemError(
            f"The name of a plugin is up to {MAX_NAME_LENGTH} lower-case letters, digits and "
            f"hyphens, like 'acme-gans'; received {name!r}.{hint}"
        )
    package = _package_name(name)
    if name in RESERVED_NAMES or keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise GandemError(f"The name {name!r} is taken; choose another, like '{name}-gans'.")
    with contextlib.suppress(ValueError):  # a module without a spec
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:  # None: only a folder
            raise GandemError(
                f"A module {package!r} is installed; choose another name, like '{name}-gans'."
            )


def _package_name(name: str) -> str:
    return name.replace("-", "_")


# --- the files -------------------------------------------------------------------------------


def _read_files(folder: Traversable) -> Iterator[tuple[str, str]]:
    """Yield the files of a template by path, with their texts."""
    for entry in folder.iterdir():
        if entry.is_file():
            yield entry.name, entry.read_text("utf-8")
        elif not entry.name.startswith((".", "__")):  # pip compiles what it installs
            for path, text in _read_files(entry):
                yield f"{entry.name}/{path}", text


def _placeholders(kind: str, template: dict[str, Any], commands: tuple[str, ...]) -> dict[str, str]:
    """Return what replaces the placeholders of the shared files, the longest first."""
    return {
        "my_dependencies": json.dumps(template.get("dependencies", DEPENDENCIES)),
        "my_next_steps": "\n".join(f"- {step}" for step in template["next_steps"]),
        "my_commands": "\n".join(commands),
        "my_summary": template["summary"],
        "my_kind": KINDS[kind],
    }


def _fill(text: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write all files, or none."""
    make_folder(folder.parent)
    unfinished = folder.parent / f".gandem-{secrets.token_hex(8)}"
    try:
        for path, text in texts.items():
            (unfinished / path).parent.mkdir(parents=True, exist_ok=True)
            (unfinished / path).write_text(text, "utf-8", newline="\n")
        unfinished.rename(folder)
    except OSError as error:
        raise GandemError(f"{folder}: cannot be written ({error.strerror or error}).") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
