"""Finding plugins: installed distributions, one at a time, each with what it adds or watches and
with what is wrong with it.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from gandem.core import hookspecs
from gandem.core.errors import shown, suggest
from gandem.core.hookspecs import Row

__all__ = ["BUILTIN", "KINDS", "WATCHES", "Plugin", "Watcher", "find_plugins", "sentence"]

KINDS = {
    "models": "model",
    "backends": "backend",
    "datasets": "data set",
    "objectives": "objective",
}
"""The tables, which are also the names of their hooks, and the word for one of their rows."""
WATCHES = ("before_training", "after_log", "after_checkpoint", "after_training")
"""The moments of a training, which are also the names of their hooks."""
BUILTIN = "gandem"


@dataclass(slots=True)
class Plugin:
    """A plugin as it was found: what it adds, and what is wrong with it.

    Attributes:
        adds: the ids of its rows by table, and under ``"watches"`` the moments that it watches.
    """

    name: str
    distribution: str
    version: str = ""
    adds: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """A plugin that watches trainings, with its functions by moment, a name in ``WATCHES``."""

    name: str
    distribution: str
    hooks: Mapping[str, tuple[pluggy.HookImpl, ...]]


def find_plugins(builtin: object) -> tuple[list[Plugin], dict[str, list[Row]], list[Watcher]]:
    """Return every plugin, our own first, the rows of all, by table, and those that watch.

    Nothing that a plugin does wrong is raised here: it becomes one of the plugin's problems.

    Args:
        builtin: our own hooks, through the same door as a stranger's.
    """
    manager = pluggy.PluginManager("gandem")
    manager.add_hookspecs(hookspecs)
    if os.environ.get("GANDEM_TRACE") == "1":
        manager.trace.root.setwriter(sys.stderr.write)
    manager.register(builtin, BUILTIN)
    plugins = {BUILTIN: Plugin(BUILTIN, BUILTIN)}
    points = entry_points(group="gandem")
    for number, point in enumerate(_chosen(points)):
        key = f"{point.name} {number}"  # two distributions may call theirs the same
        plugins[key] = _register(manager, point, key)
    rows: dict[str, list[Row]] = {table: [] for table in KINDS}
    for table in KINDS:
        for hook in getattr(manager.hook, f"gandem_{table}").get_hookimpls():
            plugin = plugins[hook.plugin_name]
            found = _ask(plugin, table, hook.function, ours=hook.plugin_name == BUILTIN)
            ids = [row.id for row in found]
            manager.trace(f"gandem_{table} of {plugin.name}: {', '.join(ids)}")
            plugin.adds |= {table: ids} if ids else {}
            rows[table] += found
    watchers = []
    for key, plugin in plugins.items():
        if hooks := _watching(manager, key, plugin):
            manager.trace(f"{plugin.name} watches: {', '.join(hooks)}")
            plugin.adds["watches"] = list(hooks)
            watchers.append(
                Watcher(name=plugin.name, distribution=plugin.distribution, hooks=hooks)
            )
    listed = [*plugins.values(), *_not_there(points)]
    _note_clashes(rows, listed)
    return listed, rows, watchers


def _chosen(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Return the plugins that ``GANDEM_PLUGINS`` lets load, by name."""
    wanted = _wanted()
    points = sorted(points, key=lambda point: (point.name, _owner(point)))
    if wanted is None:
        return points
    return [point for point in points if wanted.keys() & _names(point)]


def _not_there(points: Iterable[EntryPoint]) -> list[Plugin]:
    """Return a report for each name in ``GANDEM_PLUGINS`` that nothing answers to."""
    known = {BUILTIN}.union(*(_names(point) for point in points))
    said = "GANDEM_PLUGINS names it, but no such plugin is installed."
    return [
        Plugin(name, "?", problems=[said + suggest(spelling, known - {BUILTIN})])
        for spelling, name in (_wanted() or {}).items()
        if spelling not in known
    ]


def _wanted() -> dict[str, str] | None:
    """Return what ``GANDEM_PLUGINS`` names, by one spelling of each; None where it is unset."""
    text = os.environ.get("GANDEM_PLUGINS")
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    return {_spelling(name): name for name in names if name}


def _names(point: EntryPoint) -> set[str]:
    return {_spelling(point.name), _spelling(_owner(point)[0])}


def _spelling(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # as pip takes a distribution's name


def _owner(point: EntryPoint) -> tuple[str, str]:
    """Return the name and version of the distribution that a plugin came from."""
    try:
        return (point.dist.name or "?", point.dist.version or "") if point.dist else ("?", "")
    except Exception:  # a distribution without metadata; what comes then depends on Python
        return ("?", "")


def _register(manager: pluggy.PluginManager, point: EntryPoint, key: str) -> Plugin:
    """Load one plugin; a failure of any kind becomes a sentence."""
    plugin = Plugin(point.name, *_owner(point))
    try:
        found = point.load()
        manager.register(found, key)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything at all
        manager.unregister(name=key)  # pluggy 1.6 leaves half of a plugin that it refuses
        plugin.problems.append(f"could not be loaded: {sentence(error)}")
        return plugin
    try:
        manager.check_pending()
    except pluggy.PluginValidationError:
        unknown = _unknown_hook(manager)
        manager.unregister(name=key)
        plugin.problems.append(f"has a hook that gandem does not know: {unknown}")
        return plugin
    if not manager.get_hookcallers(found):
        plugin.problems.append("adds nothing: mark its functions with @gandem.hookimpl.")
    return plugin


def _unknown_hook(manager: pluggy.PluginManager) -> str:
    known = [name for name in vars(hookspecs) if name.startswith("gandem_")]
    unknown = [n for n, h in vars(manager.hook).items() if not h.has_spec() and h.get_hookimpls()]
    return f"{unknown[0]!r}.{suggest(unknown[0], known)}"


def _ask(plugin: Plugin, table: str, hook: Any, *, ours: bool) -> list[Row]:
    """Return the rows of one plugin's hook, without those that are wrong."""
    try:
        made = hook()
        found = list(made) if isinstance(made, Iterable) else None
    except (Exception, SystemExit) as error:  # likewise
        plugin.problems.append(f"gandem_{table} failed: {sentence(error)}")
        return []
    if found is None:
        plugin.problems.append(f"gandem_{table} returned {shown(made)}, expected gandem.Row.")
        return []
    rows = []
    for row in found:
        if not isinstance(row, Row):
            plugin.problems.append(f"gandem_{table} returned {shown(row)}, expected gandem.Row.")
        elif not ours and "/" not in row.id:
            plugin.problems.append(
                f"the {KINDS[table]} id {row.id!r} has no prefix; call it '{plugin.name}/{row.id}'."
            )
        else:
            rows.append(replace(row, provider=plugin.distribution))
    return rows


def _watching(
    manager: pluggy.PluginManager, key: str, plugin: Plugin
) -> dict[str, tuple[pluggy.HookImpl, ...]]:
    """Return a plugin's functions that watch, by moment, without those that would never run."""
    hooks: dict[str, tuple[pluggy.HookImpl, ...]] = {}
    for moment in WATCHES:
        for hook in getattr(manager.hook, f"gandem_{moment}").get_hookimpls():
            if hook.plugin_name != key:
                continue
            if _is_plain(hook.function):
                hooks[moment] = (*hooks.get(moment, ()), hook)
            else:
                plugin.problems.append(
                    f"gandem_{moment} is never called: it must be a plain function, without yield "
                    "or async."
                )
    return hooks


def _is_plain(function: object) -> bool:
    """Say whether calling a function runs it, instead of making a generator or coroutine."""
    return not (
        inspect.isgeneratorfunction(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
    )


def _note_clashes(rows: Mapping[str, list[Row]], plugins: list[Plugin]) -> None:
    for table, found in rows.items():
        owners: dict[str, list[str]] = {}
        for row in found:
            owners.setdefault(row.id, []).append(row.provider)
        for name, several in owners.items():
            for plugin in plugins:
                if len(several) > 1 and plugin.distribution in several:
                    plugin.problems.append(
                        f"the {KINDS[table]} {name!r} has several owners: {' and '.join(several)}."
                    )


def sentence(error: BaseException) -> str:
    """Return what an exception says, on one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a stranger's exception may fail at that too
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
