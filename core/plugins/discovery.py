"""Finding plugins: installed distributions, one at a time, each with what it adds or watches and
with what is wrong with it.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import FunctionType
from typing import Any, NamedTuple

import pluggy

from gandem.core.errors import shown, suggest
from gandem.core.plugins import hookspecs
from gandem.core.plugins.hookspecs import Entry
from gandem.core.plugins.isolation import (
    aside,
    check_reference,
    fault_of,
    misnamed,
    names_of_functions,
    owned,
    sentence,
)
from gandem.core.plugins.validation import (
    Offer,
    chosen,
    entry_points,
    misfit,
    not_there,
    own_version,
    read_offers,
)

__all__ = ["BUILTIN", "KINDS", "WATCHES", "Plugin", "Watcher", "find_plugins"]

KINDS = {
    "models": "model",
    "layers": "layer",
    "backends": "backend",
    "datasets": "data set",
    "losses": "loss",
    "extractors": "extractor",
    "launchers": "launcher",
}
"""The tables, which are also the names of their hooks, and the word for one of their rows."""
WATCHES = ("before_training", "after_log", "after_checkpoint", "after_training")
"""The moments of a training, which are also the names of their hooks."""
BUILTIN = "gandem"
MOST_ROWS = 10_000
"""Of one hook: one that never ends shall not take all memory."""


@dataclass(slots=True)
class Plugin:
    """A plugin as it was found: what it adds, and what is wrong with it.

    Attributes:
        loaded: whether it was imported and its hooks are called.
        adds: the ids of its rows by table, and under ``"watches"`` the moments that it watches.
    """

    name: str
    distribution: str
    version: str = ""
    loaded: bool = True
    adds: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Watcher(NamedTuple):
    """A plugin that watches trainings, with its functions by moment, a name in ``WATCHES``."""

    name: str
    distribution: str
    hooks: Mapping[str, tuple[pluggy.HookImpl, ...]]


def find_plugins(builtin: object) -> tuple[list[Plugin], dict[str, list[Entry]], list[Watcher]]:
    """Return every plugin, our own first, the rows of all, by table, and those that watch.

    Nothing that a plugin does wrong is raised here: it becomes one of the plugin's problems.

    Args:
        builtin: our own hooks, through the same door as a stranger's.
    """
    search = _Search()
    search.manager.register(builtin, BUILTIN)
    search.plugins[BUILTIN] = Plugin(BUILTIN, BUILTIN, search.release)
    offers = read_offers(entry_points(group="gandem"))
    for number, offer in enumerate(chosen(offers)):
        search.load(offer, f"{offer.point.name} {number}")  # two may call theirs the same
    rows = {table: search.rows(table) for table in KINDS}
    watchers = list(search.watchers())
    search.note_slow(rows["backends"])
    missing = [
        Plugin(name, "?", loaded=False, problems=[problem])
        for name, problem in not_there(offers).items()
    ]
    listed = [*search.plugins.values(), *missing]
    _note_clashes(rows, listed)
    return listed, rows, watchers


class _Manager(pluggy.PluginManager):
    """Pluggy's, which would look at what every object has, too."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return None if name.startswith("__") else super().parse_hookimpl_opts(plugin, name)


class _Hooks:
    """A plugin's marked functions and nothing else of it, whatever its other attributes do, and
    whatever it says that it equals.
    """


class _Search:
    """Plugins being found, by a key of their own.

    Attributes:
        imports: the modules that came with each.
        seen: the modules and objects that were registered.
        ids: of the rows found, with their distribution and table.
    """

    def __init__(self) -> None:
        self.release = own_version()
        self.manager = _Manager("gandem")
        self.manager.add_hookspecs(hookspecs)
        if os.environ.get("GANDEM_TRACE") == "1":
            self.manager.trace.root.setwriter(sys.stderr.write)
        self.plugins: dict[str, Plugin] = {}
        self.imports: dict[str, set[str]] = {}
        self.seen: list[object] = []
        self.ids: set[tuple[str, str, str]] = set()

    # --- loading ---------------------------------------------------------------------------------

    def load(self, offer: Offer, key: str) -> None:
        """Load one plugin; a failure of any kind becomes a sentence."""
        plugin = Plugin(offer.point.name, offer.distribution, offer.version)
        self.plugins[key], self.imports[key] = plugin, set()
        problem = misfit(offer, self.release)
        if not problem:
            try:
                with self._listening(key):
                    problem = self._register(offer, key)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a stranger's module may raise anything at all
                problem = f"could not be loaded: {sentence(error)}"
        home = getattr(offer.point, "value", "").partition(":")[0].partition(".")[0]
        self.imports[key].discard(home)  # a backend may require itself
        if problem:
            with contextlib.suppress(Exception):  # pluggy 1.6 leaves half of one that it refuses
                self.manager.unregister(name=key)
            plugin.loaded = False
            plugin.problems.append(problem)

    def _register(self, offer: Offer, key: str) -> str:
        """Import a plugin and register its hooks; say what is wrong with it, or nothing."""
        check_reference(getattr(offer.point, "value", None))
        found = offer.point.load()
        if any(found is other for other in self.seen):
            return "is not loaded: another entry point leads to the same module or object."
        self.seen.append(found)
        hooks = _Hooks()
        for name in names_of_functions(found):
            if self.manager.parse_hookimpl_opts(found, name) is not None:
                setattr(hooks, name, getattr(found, name))
                if inspect.isclass(found) and isinstance(vars(found).get(name), FunctionType):
                    return "could not be loaded: it is a class; name an instance of it."
        if not vars(hooks):
            self.plugins[key].problems.append(
                "adds nothing: mark its functions with @gandem.hookimpl."
            )
            return ""
        self.manager.register(hooks, key)
        try:
            self.manager.check_pending()
        except pluggy.PluginValidationError:
            return f"has a hook that gandem does not know: {_unknown_hook(self.manager)}"
        return ""

    @contextlib.contextmanager
    def _listening(self, key: str) -> Iterator[None]:
        """Run a stranger's code, and note what it imports."""
        before = set(sys.modules)
        try:
            with aside():
                yield
        finally:
            self.imports[key] |= sys.modules.keys() - before

    def note_slow(self, backends: Iterable[Entry]) -> None:
        """Name those who make everybody wait that only looks around: what backends run on, and
        NumPy, takes long to import.
        """
        slow = {name.partition(".")[0] for row in backends for name in row.requires} | {"numpy"}
        for key, imported in self.imports.items():
            if heavy := sorted(slow & imported):
                self.plugins[key].problems.append(
                    f"imports {' and '.join(heavy)} when it is listed; import it where the row's "
                    "target is built, or inside the hook that watches."
                )

    # --- asking ----------------------------------------------------------------------------------

    def rows(self, table: str) -> list[Entry]:
        """Ask every plugin for the rows of a table."""
        found = []
        for hook in getattr(self.manager.hook, f"gandem_{table}").get_hookimpls():
            plugin = self.plugins[hook.plugin_name]
            rows = list(self._ask(table, hook))
            ids = [row.id for row in rows]
            self.manager.trace(f"gandem_{table} of {plugin.name}: {', '.join(ids)}")
            if ids:
                plugin.adds[table] = [*plugin.adds.get(table, ()), *ids]
            found += rows
        return found

    def _ask(self, table: str, hook: pluggy.HookImpl) -> Iterator[Entry]:
        """Yield the rows of one plugin's hook, without those that are wrong."""
        key = hook.plugin_name
        plugin, name = self.plugins[key], f"gandem_{table}"
        if key == BUILTIN:
            ours: Any = hook.function()
            yield from (owned(row, BUILTIN) for row in ours)
            return
        if fault := fault_of(hook.function):
            plugin.problems.append(f"{name} is never called: {fault}")
            return
        try:
            with self._listening(key):
                made: Any = hook.function()
                found = list(islice(made, MOST_ROWS + 1)) if isinstance(made, Iterable) else None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # likewise
            plugin.problems.append(f"{name} failed: {sentence(error)}")
            return
        if found is None:
            plugin.problems.append(f"{name} returned {shown(made)}, expected gandem.Entry.")
        elif len(found) > MOST_ROWS:
            plugin.problems.append(f"{name} returned more than {MOST_ROWS:,} rows.")
        else:
            yield from self._right_rows(table, plugin, found)

    def _right_rows(self, table: str, plugin: Plugin, found: Iterable[object]) -> Iterator[Entry]:
        for row in found:
            try:
                row = owned(row, plugin.distribution)
            except Exception:  # no row, or one that was made without its checks
                plugin.problems.append(
                    f"gandem_{table} returned {shown(row)}, expected gandem.Entry."
                )
                continue
            place = (plugin.distribution, table, row.id)
            if problem := misnamed(row.id, plugin.name, again=place in self.ids):
                plugin.problems.append(f"the {KINDS[table]} id {row.id!r} {problem}")
            else:
                self.ids.add(place)
                yield row

    def watchers(self) -> Iterator[Watcher]:
        """Yield the plugins that watch trainings."""
        for key, plugin in self.plugins.items():
            if hooks := self._watching(key, plugin):
                self.manager.trace(f"{plugin.name} watches: {', '.join(hooks)}")
                plugin.adds["watches"] = list(hooks)
                yield Watcher(name=plugin.name, distribution=plugin.distribution, hooks=hooks)

    def _watching(self, key: str, plugin: Plugin) -> dict[str, tuple[pluggy.HookImpl, ...]]:
        """Return a plugin's functions that watch, by moment, without those that would never run."""
        hooks: dict[str, tuple[pluggy.HookImpl, ...]] = {}
        for moment in WATCHES:
            for hook in getattr(self.manager.hook, f"gandem_{moment}").get_hookimpls():
                if hook.plugin_name != key:
                    continue
                if fault := fault_of(hook.function, yields=False):
                    plugin.problems.append(f"gandem_{moment} is never called: {fault}")
                else:
                    hooks[moment] = (*hooks.get(moment, ()), hook)
        return hooks


# --- what can be wrong ---------------------------------------------------------------------------


def _unknown_hook(manager: pluggy.PluginManager) -> str:
    known = [name for name in vars(hookspecs) if name.startswith("gandem_")]
    unknown = [n for n, h in vars(manager.hook).items() if not h.has_spec() and h.get_hookimpls()]
    return f"{unknown[0]!r}.{suggest(unknown[0], known)}"


def _note_clashes(rows: Mapping[str, list[Entry]], plugins: list[Plugin]) -> None:
    for table, found in rows.items():
        owners: dict[str, list[str]] = {}
        for row in found:
            owners.setdefault(row.id, []).append(row.provider)
        for name, several in owners.items():
            for plugin in plugins:
                if len(several) > 1 and name in plugin.adds.get(table, ()):
                    plugin.problems.append(
                        f"the {KINDS[table]} {name!r} has several owners: {' and '.join(several)}."
                    )
