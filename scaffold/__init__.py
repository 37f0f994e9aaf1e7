"""New plugins: a package that installs, lists, trains and passes its tests as it is written.

The templates are such packages themselves, called ``my-plugin``, under ``core/templates/``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import keyword
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from gandem.core.errors import GandemError, suggest
from gandem.core.files import make_folder

__all__ = ["KINDS", "NewPlugin", "new_plugin"]

KINDS = ("model", "backend", "dataset")
RESERVED = ("gandem", "my-plugin", "src", "test", "tests")
LONGEST = 40  # letters of a name: the templates leave room for it on their lines


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """A package that has just been written.

    Attributes:
        name: of the distribution, and the prefix of its ids.
        package: what Python imports.
        id: of the one entry that it adds.
        files: by their paths in ``folder``.
        commands: what to type there, down to a trained grid.
    """

    name: str
    kind: str
    package: str
    id: str
    folder: Path
    files: tuple[str, ...]
    commands: tuple[str, ...]


def new_plugin(name: str, kind: str, folder: Path | None = None) -> NewPlugin:
    """Write a package with one model, backend or data set of its own, ready to be changed.

    Args:
        name: small letters, digits and hyphens, ``"acme-gans"``.
        kind: one of ``KINDS``.
        folder: where the package goes; left out, a folder of its name.

    Raises:
        GandemError: the name will not do, or the folder exists or cannot be written.
    """
    if kind not in KINDS:
        raise GandemError(f"No plugin is of the kind {kind!r}.{suggest(kind, KINDS)}")
    _check_name(name)
    folder = folder or Path(name)
    if os.path.lexists(folder):
        raise GandemError(f"{folder}: it exists; choose another --out.")
    package = _package(name)
    texts = {
        _filled(path, name, package): _filled(text, name, package)
        for path, text in sorted(_texts(files("gandem").joinpath("core", "templates", kind)))
    }
    _write(folder, texts)
    return NewPlugin(
        name=name,
        kind=kind,
        package=package,
        id=f"{name}/example",
        folder=folder,
        files=tuple(texts),
        commands=_commands(texts["README.md"]),
    )


# --- the name ------------------------------------------------------------------------------------


def _check_name(name: str) -> None:
    """Raise an error unless a distribution, a package and a prefix can all be called so."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:LONGEST].strip("-")
        hint = f" Did you mean {near!r}?" if near else ""
        raise GandemError(
            f"A plugin's name is up to {LONGEST} small letters, digits and hyphens, like "
            f"'acme-gans'; received {name!r}.{hint}"
        )
    package = _package(name)
    if name in RESERVED or keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise GandemError(f"The name {name!r} is taken; choose another, like '{name}-gans'.")
    with contextlib.suppress(ValueError):  # a module that hides where it is from
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:  # None: a mere folder
            raise GandemError(
                f"A module {package!r} is installed; choose another name, like '{name}-gans'."
            )


def _package(name: str) -> str:
    return name.replace("-", "_")


# --- the files -----------------------------------------------------------------------------------


def _texts(folder: Traversable) -> Iterator[tuple[str, str]]:
    """Return every file of a template, by its path there, with its text."""
    for entry in folder.iterdir():
        if entry.is_file():
            yield entry.name, entry.read_text("utf-8")
        elif not entry.name.startswith((".", "__")):  # pip compiles what it installs
            for path, text in _texts(entry):
                yield f"{entry.name}/{path}", text


def _filled(text: str, name: str, package: str) -> str:
    return text.replace("my-plugin", name).replace("my_plugin", package)


def _commands(readme: str) -> tuple[str, ...]:
    return tuple(readme.partition("```sh\n")[2].partition("```")[0].splitlines())


def _write(folder: Path, texts: dict[str, str]) -> None:
    """Write all files, or leave nothing behind."""
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
