"""Discovery: find the installed plugins, load them one at a time, and collect their entries.

Nothing that a plugin does wrong is raised: it becomes one of the plugin's problems.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email import message_from_string
from email.message import Message
from importlib.metadata import Distribution, EntryPoint, distributions
from itertools import islice
from typing import Any

import pluggy

from gandem.core.errors import shown, suggest
from gandem.core.plugins import hookspecs
from gandem.core.plugins.entry import KINDS, Entry, entries, keeps_invalid
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.validation import check_entry, collect_hooks, unmet_requirement

GROUP = "gandem"
"""The group of entry points that plugins are found by."""
BUILTIN = "gandem"
"""The name, and the distribution, of what comes with gandem."""
MAX_ENTRIES = 10_000  # of one hook: a generator may never end


@dataclass
class Plugin:
    """A plugin as it was found.

    Attributes:
        loaded: True if it was imported and its hooks were called.
        adds: the ids of its entries by kind.
        problems: what is wrong with it, a line each.
    """

    name: str
    distribution: str
    version: str = ""
    loaded: bool = True
    adds: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class _Candidate:
    """A plugin while it is being loaded, with its entry point; None if that cannot be read.

    Attributes:
        requires: the requirements of its distribution.
        imported: the modules that were imported with it.
    """

    plugin: Plugin
    point: EntryPoint | None
    requires: list[str] = field(default_factory=list)
    hooks: dict[str, Callable[[], Any]] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        """The names by which ``GANDEM_PLUGINS`` may choose it."""
        return {_normalize(self.plugin.name), _normalize(self.plugin.distribution)}

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run code of the plugin, and note what it imports."""
        before = set(sys.modules)
        token = keeps_invalid.set(True)
        try:
            with stdout_to_stderr():
                yield
        finally:
            keeps_invalid.reset(token)
            self.imported |= sys.modules.keys() - before


class _Hooks:
    """What is registered with pluggy: the hooks of one plugin and no other attribute of it."""

    def __init__(self, functions: Mapping[str, Callable[[], Any]]) -> None:
        vars(self).update(functions)


def find_plugins() -> tuple[list[Plugin], dict[str, list[Entry]]]:
    """Return all plugins, gandem itself first, and the entries of all by kind."""
    version = find_version(BUILTIN) or ""
    builtin = Plugin(BUILTIN, BUILTIN, version)
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(_builtin_hooks(), BUILTIN)
    candidates, missing = _select(_find_candidates())
    seen: list[object] = []
    for number, candidate in enumerate(candidates):
        _load(candidate, version, seen)
        manager.register(_Hooks(candidate.hooks), str(number))
    entries_by_kind: dict[str, list[Entry]] = {}
    for kind in KINDS:
        hooks = getattr(manager.hook, f"gandem_{kind}").get_hookimpls()
        functions = {hook.plugin_name: hook.function for hook in hooks}
        entries_by_kind[kind] = list(functions[BUILTIN]())
        _note_entries(builtin, kind, entries_by_kind[kind])
        for number, candidate in enumerate(candidates):
            if hook := functions.get(str(number)):
                entries_by_kind[kind] += _collect(candidate, kind, hook, entries_by_kind[kind])
    _note_slow_imports(candidates, entries_by_kind["backends"])
    plugins = [builtin, *(candidate.plugin for candidate in candidates), *missing]
    _note_clashes(entries_by_kind, plugins)
    return plugins, entries_by_kind


def _builtin_hooks() -> _Hooks:
    """Return gandem's own hooks: they return the entries of its ``registry.toml``."""
    own_entries = entries(BUILTIN)

    def hook(kind: str) -> Callable[[], list[Entry]]:
        return hookspecs.hookimpl(lambda: own_entries[kind])

    return _Hooks({f"gandem_{kind}": hook(kind) for kind in KINDS})


# --- finding ---------------------------------------------------------------------------------


def find_version(name: str) -> str | None:
    """Return the version of an installed distribution; None if there is no such distribution."""
    distribution = next(iter(Distribution.discover(name=name)), None)
    return None if distribution is None else _read_headers(distribution)["Version"]


def format_versions(names: Iterable[str]) -> str | None:
    """Return the installed ones of some distributions, ``"keras 3.15.1, numpy 2.1.0"``; None for
    none.
    """
    versions = {name: find_version(name) for name in names}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version) or None


def _read_headers(distribution: Distribution) -> Message:
    """Return the metadata of a distribution without its README, which takes long to parse."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return message_from_string(text.partition("\n\n")[0])


def _find_candidates() -> list[_Candidate]:
    """Return a candidate for every entry point, sorted by name.

    Of a distribution that is on the path more than once the first counts, as for Python.
    """
    candidates: list[_Candidate] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
                continue
        except Exception:  # damaged, or the work of a third party's finder
            continue
        plugin, requires = _read_metadata(distribution)
        if _normalize(plugin.distribution) in seen:
            continue
        seen.add(_normalize(plugin.distribution))
        try:
            points: Iterable[EntryPoint] = distribution.entry_points.select(group=GROUP)
            candidates += [_Candidate(replace(plugin, name=p.name), p, requires) for p in points]
        except Exception:
            candidates.append(_Candidate(plugin, None))
    key = "name", "distribution", "version"
    return sorted(candidates, key=lambda c: tuple(getattr(c.plugin, name) for name in key))


def _read_metadata(distribution: Distribution) -> tuple[Plugin, list[str]]:
    """Return a plugin named after a distribution, and what the distribution requires."""
    folder = os.path.basename(str(getattr(distribution, "_path", "")))
    try:
        headers = _read_headers(distribution)
    except Exception:  # damaged
        headers = Message()
    name = headers["Name"] or folder.partition("-")[0] or "?"
    return Plugin(name, name, headers["Version"] or ""), headers.get_all("Requires-Dist", [])


def _select(candidates: list[_Candidate]) -> tuple[list[_Candidate], list[Plugin]]:
    """Return the candidates that ``GANDEM_PLUGINS`` chooses, and those it names in vain."""
    text = os.environ.get("GANDEM_PLUGINS")
    if text is None:
        return candidates, []
    chosen = {_normalize(name.strip()): name.strip() for name in text.split(",") if name.strip()}
    known = set[str]().union(*(candidate.names for candidate in candidates))
    problem = "GANDEM_PLUGINS names it, but it is not installed."
    missing = [
        Plugin(name, "?", loaded=False, problems=[problem + suggest(key, known)])
        for key, name in chosen.items()
        if key not in known | {BUILTIN}
    ]
    return [candidate for candidate in candidates if chosen.keys() & candidate.names], missing


def _normalize(name: str) -> str:
    """Return the name of a distribution as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- loading ---------------------------------------------------------------------------------


def _load(candidate: _Candidate, version: str, seen: list[object]) -> None:
    """Import a plugin and collect its hooks; what goes wrong becomes a problem.

    Args:
        version: of gandem; empty if it is unknown.
        seen: the modules and objects of the plugins so far.
    """
    plugin = candidate.plugin
    if version and (requirement := unmet_requirement(candidate.requires, version)):
        problem = (
            f"is not loaded: it requires {requirement}, and this is gandem {version}; "
            "upgrade the older of the two."
        )
    else:
        problem = _import(candidate, seen)
    if problem:
        plugin.loaded = False
        plugin.problems.append(problem)
    elif not candidate.hooks:
        plugin.problems.append("adds nothing: mark its hooks with @gandem.hookimpl.")


def _import(candidate: _Candidate, seen: list[object]) -> str:
    """Import a plugin and collect its hooks; return what is wrong with it, or nothing."""
    point = candidate.point
    if point is None:
        return "could not be loaded: its entry_points.txt is damaged."
    if not point.pattern.match(point.value):
        return (
            f"could not be loaded: its entry point is {point.value!r:.80}, expected "
            "'package.module' or 'package.module:attribute'."
        )
    try:
        with candidate.running():
            target = point.load()
            if any(target is other for other in seen):
                return "is not loaded: another entry point leads to the same module or object."
            seen.append(target)
            candidate.hooks = collect_hooks(target)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # third-party code may raise anything
        return f"could not be loaded: {_describe(error)}"
    finally:
        candidate.imported.discard(point.value.partition(":")[0].partition(".")[0])
    return ""


def _collect(
    candidate: _Candidate, kind: str, hook: Callable[[], Any], others: Iterable[Entry]
) -> list[Entry]:
    """Call a plugin's hook of a kind, and return its valid entries.

    Args:
        others: the entries of the kind that are known already.
    """
    plugin = candidate.plugin
    used = {entry.id for entry in others if entry.provider == plugin.distribution}
    added: list[Entry] = []
    for value in _call_hook(candidate, f"gandem_{kind}", hook):
        try:
            entry = check_entry(value, kind, plugin.name, plugin.distribution)
        except ValueError as error:
            problem = " ".join(str(error).split())
            plugin.problems += [problem] if problem not in plugin.problems else []
            continue
        if entry.id in used:
            problem = f"the {KINDS[kind]} id {entry.id!r} is listed twice; the first counts."
            plugin.problems.append(problem)
            continue
        used.add(entry.id)
        added.append(entry)
    _note_entries(plugin, kind, added)
    return added


def _call_hook(candidate: _Candidate, name: str, hook: Callable[[], Any]) -> list[object]:
    """Return what a plugin's hook returns; nothing if the hook fails."""
    problems = candidate.plugin.problems
    try:
        with candidate.running():
            returned = hook()
            if not isinstance(returned, Iterable):
                problems.append(f"{name} returned {shown(returned)}, expected gandem.Entry.")
                return []
            values = list(islice(returned, MAX_ENTRIES + 1))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # third-party code may raise anything
        problems.append(f"{name} failed: {_describe(error)}")
        return []
    if len(values) > MAX_ENTRIES:
        problems.append(f"{name} returned more than {MAX_ENTRIES:,} entries.")
        return []
    return values


def _describe(error: BaseException) -> str:
    return format_error(error).removeprefix("GandemError: ")


# --- reporting -------------------------------------------------------------------------------


def _note_entries(plugin: Plugin, kind: str, added: Iterable[Entry]) -> None:
    if ids := [entry.id for entry in added]:
        plugin.adds[kind] = ids
    if os.environ.get("GANDEM_TRACE") == "1":
        sys.stderr.write(f"gandem_{kind} of {plugin.name}: {', '.join(ids)}\n")


def _note_slow_imports(candidates: Iterable[_Candidate], backends: Iterable[Entry]) -> None:
    """Report plugins that import NumPy or a framework when they are listed: all users wait."""
    slow = {name.partition(".")[0] for entry in backends for name in entry.requires} | {"numpy"}
    for candidate in candidates:
        if heavy := sorted(slow & candidate.imported):
            candidate.plugin.problems.append(
                f"imports {' and '.join(heavy)} when it is listed; import it where the target of "
                "the entry is loaded."
            )


def _note_clashes(entries_by_kind: Mapping[str, list[Entry]], plugins: Iterable[Plugin]) -> None:
    for kind, kind_entries in entries_by_kind.items():
        owners: dict[str, list[str]] = {}
        for entry in kind_entries:
            owners.setdefault(entry.id, []).append(entry.provider)
        for plugin in plugins:
            plugin.problems += [
                f"the {KINDS[kind]} {name!r} has several owners: {' and '.join(owners[name])}."
                for name in plugin.adds.get(kind, ())
                if len(owners[name]) > 1
            ]
