"""Catalogs: ``registry.toml``, as it comes with gandem and with any package that ships one."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from pkgutil import get_data
from typing import Any

from gandem.core.errors import GandemError, suggest
from gandem.core.plugins.discovery import KINDS
from gandem.core.plugins.hookspecs import Entry

__all__ = ["entries_from_toml", "rows"]

NAME = "registry.toml"


def rows(package: str) -> dict[str, list[Entry]]:
    """Return the rows of the ``registry.toml`` that lies in a package, by table.

    A plugin that ships one returns them with one call, ``gandem.entries(__name__)["models"]``.

    Args:
        package: its name, or that of a module in it.

    Raises:
        GandemError: there is no such file, or it cannot be used; the text says why.
    """
    try:
        module = sys.modules.get(package) or import_module(package)
    except ImportError as error:
        raise GandemError(
            f"There is no package {package!r} to read a {NAME} of: {error}."
        ) from None
    home = module.__spec__.parent if module.__spec__ else ""
    if not home:
        raise GandemError(f"{package!r} is no package; a {NAME} lies in one.")
    try:
        text = (get_data(home, NAME) or b"").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GandemError(
            f"{home}/{NAME}: cannot be read ({reason}); is it among the package's data?"
        ) from None
    return entries_from_toml(text, f"{home}/{NAME}")


def entries_from_toml(text: str, where: str = NAME) -> dict[str, list[Entry]]:
    """Read the text of a ``registry.toml``: a table of rows for each of models, layers, backends,
    datasets, losses, extractors and launchers.

    Args:
        where: what errors call it.

    Raises:
        GandemError: it is not TOML, or has an unknown schema, table or field.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise GandemError(f"{where}: it is not TOML: {error}.") from None
    if data.pop("schema", None) != 1:
        raise GandemError(f"{where}: expected schema = 1; upgrade gandem.")
    found: dict[str, list[Entry]] = {table: [] for table in KINDS}
    for table, entries in data.items():
        if table not in KINDS:
            raise GandemError(f"{where}: unknown table {table!r}.{suggest(table, KINDS)}")
        if not isinstance(entries, list):
            raise GandemError(f"{where}: write [[{table}]] in front of each row.")
        found[table] = [_row(table, entry, where) for entry in entries]
    return found


def _row(table: str, entry: Any, where: str) -> Entry:
    known = [f.name for f in fields(Entry) if f.name != "provider"]
    if not isinstance(entry, dict):
        raise GandemError(f"{where}: write [[{table}]] in front of each row.")
    for name in entry:
        if name not in known:
            raise GandemError(f"{where}: unknown field {name!r} in {table}.{suggest(name, known)}")
    for name in ("id", "target"):
        if name not in entry:
            raise GandemError(f"{where}: a row of {table} lacks its {name}.")
    lists = {name: tuple(value) for name, value in entry.items() if isinstance(value, list)}
    try:
        return Entry(**entry | lists)
    except (TypeError, ValueError) as error:
        raise GandemError(f"{where}: {table}: {error}") from None
