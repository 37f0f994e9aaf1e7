"""The registry: the entries of gandem and of all installed plugins, by kind and name.

It finds entries and knows nothing of what their targets are.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Mapping
from contextvars import ContextVar

from gandem.core.errors import BackendError, ClashError, GandemError, NotFoundError, shown, suggest
from gandem.core.plugins.discovery import BUILTIN, Plugin, find_plugins
from gandem.core.plugins.entry import KINDS, Entry

__all__ = ["Plugin", "Registry", "is_installed", "registry", "require"]


class Registry:
    """All entries, and the plugins they come from."""

    def __init__(self, plugins: list[Plugin], entries: Mapping[str, list[Entry]]) -> None:
        self.plugins = plugins
        self._entries = entries

    def entries(self, kind: str) -> list[Entry]:
        """Return the entries of a kind, gandem's own first, then by id."""
        return sorted(self._entries[kind], key=lambda entry: (entry.provider != BUILTIN, entry.id))

    def find(self, kind: str, name: str) -> Entry:
        """Return the entry with an id or alias; its prefix may be left out where one entry fits.

        Raises:
            NotFoundError: there is none; the message suggests the nearest name.
            ClashError: there are several.
        """
        entries = self._entries[kind]
        matches = (
            [entry for entry in entries if entry.id == name]
            or [entry for entry in entries if name in entry.aliases]
            or [e for e in entries if name in [known.rpartition("/")[2] for known in e.names]]
        )
        if not matches:
            requiring = [entry.id for entry in entries if name.lower() in entry.requires]
            near = suggest(requiring[0] if requiring else name, [entry.id for entry in entries])
            raise NotFoundError(f"No {KINDS[kind]} named {shown(name)}.{near}")
        if len(matches) > 1:
            owners = " and ".join(f"{entry.id!r} of {entry.provider}" for entry in matches)
            remedy = "write the full name"
            if len({entry.id for entry in matches}) < len(matches):
                remedy = "uninstall one, or choose the plugins to load with GANDEM_PLUGINS"
            raise ClashError(
                f"The {KINDS[kind]} name {name!r} has several owners: {owners}; {remedy}."
            )
        return matches[0]


_is_reading = ContextVar("_is_reading", default=False)


@functools.cache
def registry() -> Registry:
    """Return the registry of this process, which is read once.

    ``GANDEM_PLUGINS`` chooses the plugins to load, by the name of plugin or distribution: all if
    it is not set, none if it is empty, otherwise a list with commas. ``GANDEM_TRACE=1`` writes
    what each hook returns to standard error.

    Raises:
        GandemError: a plugin asks for it while it is being read.
    """
    if _is_reading.get():
        raise GandemError(
            "the registry is still being read; use it, or a spec, only in targets of entries."
        )
    token = _is_reading.set(True)
    try:
        return Registry(*find_plugins())
    finally:
        _is_reading.reset(token)


def is_installed(entry: Entry) -> bool:
    """Return True if the modules that an entry requires are installed; nothing is imported."""
    return not _missing_modules(entry)


def require(kind: str, name: str) -> Entry:
    """Return the entry with a name, as :meth:`Registry.find`, if what it requires is installed.

    Raises:
        NotFoundError, ClashError: there is not exactly one.
        BackendError: a module is missing; the message says how to install it.
    """
    entry = registry().find(kind, name)
    if missing := _missing_modules(entry):
        noun = KINDS[kind].capitalize()
        hint = f" Install it with: {entry.install_command}" if entry.install else ""
        raise BackendError(
            f"{noun} {entry.id!r} is not installed ({', '.join(missing)} missing).{hint}"
        )
    return entry


def _missing_modules(entry: Entry) -> list[str]:
    return [name for name in entry.requires if not _can_import(name.partition(".")[0])]


def _can_import(package: str) -> bool:
    """Return True if a package exists; a submodule would import its package."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # not a name, or a module without a spec
        return package in sys.modules
