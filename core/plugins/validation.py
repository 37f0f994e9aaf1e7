"""Checks of what plugins provide: the gandem version they require, their hooks, their entries."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from types import ModuleType
from typing import Any

from gandem.core.errors import GandemError, shown, suggest
from gandem.core.plugins.entry import KINDS, Entry, InvalidEntry

IMPL = "gandem_impl"
"""The attribute that pluggy marks a hook with."""
_REQUIRES_GANDEM = r"gandem\s*(?:\[[^]]*\])?\s*\(?([^;()@]*)\)?\s*(?:;(.*))?"


def unmet_requirement(requirements: Iterable[str], version: str) -> str:
    """Return the requirement on gandem that a version does not meet, or nothing.

    pip checks it when a plugin is installed, but not when gandem is upgraded later.

    >>> unmet_requirement(["numpy", "gandem[torch]>=2; python_version >= '3'"], "1.0")
    'gandem[torch]>=2'
    >>> unmet_requirement(["gandem>=0.1,<2", "gandem-jax>=9"], "1.0")
    ''
    """
    for text in requirements:
        match = re.fullmatch(_REQUIRES_GANDEM, text.strip(), re.IGNORECASE)
        if match is None or not match[1].strip():
            continue
        with contextlib.suppress(ValueError):  # not a valid requirement, but pip accepted it
            if not _is_met(match[1], match[2], version):
                return text.partition(";")[0].strip()
    return ""


def _is_met(specifiers: str, marker: str | None, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    if marker is not None:  # rare, and slow to import
        from packaging.markers import Marker

        if not Marker(marker).evaluate({"extra": ""}):
            return True
    return SpecifierSet(specifiers).contains(version, prereleases=True)


def collect_hooks(plugin: object) -> dict[str, Callable[[], Any]]:
    """Return the hooks of a module or an object by name.

    Attributes that are not called ``gandem_…`` are never accessed: a module may load them lazily.

    Raises:
        GandemError: the plugin is a class, gandem has no such hook, or it cannot be called without
            arguments.
    """
    if inspect.isclass(plugin):
        raise GandemError("expected a module or an instance, received a class.")
    names = vars(plugin) if isinstance(plugin, ModuleType) else dir(plugin)
    functions = {n: getattr(plugin, n) for n in list(names) if n.startswith("gandem_")}
    hooks = {n: f for n, f in functions.items() if isinstance(getattr(f, IMPL, None), dict)}
    known = [f"gandem_{kind}" for kind in KINDS]
    for name, function in hooks.items():
        if name not in known:
            raise GandemError(f"there is no hook {name!r}.{suggest(name, known)}")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise GandemError(f"{name} must be a plain function, without async.")
        if inspect.signature(function).parameters:
            raise GandemError(f"{name} must not have parameters.")
    return hooks


def check_entry(value: object, kind: str, plugin: str, distribution: str) -> Entry:
    """Return what a plugin's hook returned as a plain entry, checked again.

    Raises:
        ValueError: it is not an entry, or its names have no prefix of their own.
    """
    if isinstance(value, InvalidEntry):
        raise ValueError(f"{value.source or f'gandem_{kind}'}: {value.problem}")
    try:
        if not isinstance(value, Entry):
            raise TypeError("not an Entry")
        values = {field.name: getattr(value, field.name) for field in fields(Entry)}
        entry = Entry(**values | {"kind": kind, "provider": distribution})
    except Exception:  # also an Entry made without its checks
        raise ValueError(f"gandem_{kind} returned {shown(value)}, expected gandem.Entry.") from None
    for name in entry.names:
        prefix, slash, _ = name.partition("/")
        if not slash:
            raise ValueError(
                f"the {KINDS[kind]} id {name!r} has no prefix; call it '{plugin}/{name}'."
            )
        if prefix == "gandem":
            raise ValueError(
                f"the {KINDS[kind]} id {name!r} uses gandem's own prefix; choose another."
            )
    return entry
