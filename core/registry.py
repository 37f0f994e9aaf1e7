"""The registry: one table of models, backends, data sets and objectives, from gandem itself and
from installed plugins.

Plugins are loaded one at a time; whatever is wrong with one is kept as a sentence beside its name
and the rest goes on.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from gandem.core import hookspecs
from gandem.core.errors import (
    BackendError,
    ClashError,
    DataError,
    GandemError,
    NotFoundError,
    SpecError,
    suggest,
)
from gandem.core.hookspecs import Row, hookimpl

if TYPE_CHECKING:  # `gandem list` shall not wait for NumPy
    from gandem.core.datasets import Dataset
    from gandem.core.spec import Objective, Spec
    from gandem.core.training import Backend, ObjectiveRule

__all__ = [
    "Plugin",
    "Registry",
    "installed",
    "load_backend",
    "load_dataset",
    "load_objective",
    "load_spec",
    "registry",
    "rows_from_toml",
]

KINDS = {
    "models": "model",
    "backends": "backend",
    "datasets": "data set",
    "objectives": "objective",
}
"""The tables, which are also the names of their hooks, and the word for one of their rows."""
BUILTIN = "gandem"


@dataclass(slots=True)
class Plugin:
    """A plugin as it was found: what it adds, and what is wrong with it."""

    name: str
    distribution: str
    version: str = ""
    adds: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Registry:
    """All rows, by table and id."""

    def __init__(self, plugins: list[Plugin], rows: Mapping[str, list[Row]]) -> None:
        self.plugins = plugins
        self._rows = rows

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a table, ours first, then by id; clashing ones too."""
        return sorted(self._rows[table], key=lambda row: (row.provider != BUILTIN, row.id))

    def find(self, table: str, name: str) -> Row:
        """Return the row called ``name``; a third party's prefix may be left out where only one
        fits.

        Raises:
            NotFoundError: there is none; the text suggests the nearest.
            ClashError: two distributions own it.
        """
        rows = self._rows[table]
        fits = [row for row in rows if row.id == name]
        fits = fits or [row for row in rows if row.id.rpartition("/")[2] == name]
        if not fits:
            known = [row.id for row in rows]
            raise NotFoundError(f"No {KINDS[table]} is called {name!r}.{suggest(name, known)}")
        if len(fits) > 1:
            owners = " and ".join(f"{row.id!r} of {row.provider}" for row in fits)
            raise ClashError(
                f"The {KINDS[table]} name {name!r} has several owners: {owners}; "
                "write the whole name, or uninstall one (GANDEM_PLUGINS chooses which load)."
            )
        return fits[0]


@functools.cache
def registry() -> Registry:
    """Return the registry of this process, read once.

    ``GANDEM_PLUGINS`` chooses plugins by name or distribution: unset all, empty none, or a list
    with commas.
    ``GANDEM_TRACE=1`` writes every hook call to standard error.
    """
    manager = pluggy.PluginManager("gandem")
    manager.add_hookspecs(hookspecs)
    if os.environ.get("GANDEM_TRACE") == "1":
        manager.trace.root.setwriter(sys.stderr.write)
        manager.enable_tracing()
    plugins = [Plugin(BUILTIN, BUILTIN)]
    manager.register(_Builtin(), BUILTIN)
    for point in _chosen(entry_points(group="gandem")):
        plugins.append(_register(manager, point))
    rows: dict[str, list[Row]] = {table: [] for table in KINDS}
    by_name = {plugin.name: plugin for plugin in plugins}
    for table in KINDS:
        for hook in getattr(manager.hook, f"gandem_{table}").get_hookimpls():
            plugin = by_name[hook.plugin_name]
            for row in _ask(plugin, table, hook.function):
                plugin.adds.setdefault(table, []).append(row.id)
                rows[table].append(row)
    _note_clashes(rows, plugins)
    return Registry(plugins, rows)


def rows_from_toml(text: str) -> dict[str, list[Row]]:
    """Read a ``registry.toml``: a table of rows for each of models, backends, datasets and
    objectives.

    A plugin can ship its own and return ``rows_from_toml(text)["models"]`` from its hook.

    Raises:
        GandemError: an unknown schema, table or field.
    """
    data = tomllib.loads(text)
    if data.pop("schema", None) != 1:
        raise GandemError("registry.toml: expected schema = 1; upgrade gandem.")
    known = {f.name for f in fields(Row)} - {"provider"}
    rows: dict[str, list[Row]] = {table: [] for table in KINDS}
    for table, entries in data.items():
        if table not in KINDS:
            raise GandemError(f"registry.toml: unknown table {table!r}.{suggest(table, KINDS)}")
        for entry in entries:
            for name in entry:
                if name not in known:
                    raise GandemError(
                        f"registry.toml: unknown field {name!r} in {table}.{suggest(name, known)}"
                    )
            entry["requires"] = tuple(entry.get("requires", ()))
            rows[table].append(Row(**entry))
    return rows


class _Builtin:
    """gandem's own rows, through the same door as a stranger's."""

    def __init__(self) -> None:
        self._rows = rows_from_toml(files("gandem").joinpath("registry.toml").read_text("utf-8"))

    @hookimpl
    def gandem_models(self) -> Iterable[Row]:
        return self._rows["models"]

    @hookimpl
    def gandem_backends(self) -> Iterable[Row]:
        return self._rows["backends"]

    @hookimpl
    def gandem_datasets(self) -> Iterable[Row]:
        return self._rows["datasets"]

    @hookimpl
    def gandem_objectives(self) -> Iterable[Row]:
        return self._rows["objectives"]


def _chosen(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    wanted = os.environ.get("GANDEM_PLUGINS")
    points = sorted(points, key=lambda point: point.name)
    if wanted is None:
        return points
    names = {name.strip() for name in wanted.split(",")}
    return [p for p in points if p.name in names or (p.dist is not None and p.dist.name in names)]


def _register(manager: pluggy.PluginManager, point: EntryPoint) -> Plugin:
    """Load one plugin; a failure of any kind becomes a sentence."""
    dist = point.dist
    plugin = Plugin(point.name, dist.name if dist else "?", dist.version if dist else "")
    try:
        manager.register(point.load(), point.name)
    except Exception as error:  # a stranger's module may raise anything at all
        plugin.problems.append(f"could not be loaded: {_sentence(error)}")
        return plugin
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        manager.unregister(name=point.name)
        plugin.problems.append(f"has a hook that gandem does not know: {_sentence(error)}")
    return plugin


def _ask(plugin: Plugin, table: str, hook: Any) -> list[Row]:
    """Return the rows of one plugin's hook, without those that are wrong."""
    try:
        found = list(hook())
    except Exception as error:  # likewise
        plugin.problems.append(f"gandem_{table} failed: {_sentence(error)}")
        return []
    rows = []
    for row in found:
        if not isinstance(row, Row):
            plugin.problems.append(f"gandem_{table} returned {row!r:.60}, expected gandem.Row.")
        elif plugin.name != BUILTIN and "/" not in row.id:
            plugin.problems.append(
                f"the {KINDS[table]} id {row.id!r} has no prefix; call it '{plugin.name}/{row.id}'."
            )
        else:
            rows.append(replace(row, provider=plugin.distribution))
    return rows


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


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# --- from a row to the thing ---------------------------------------------------------------------


def installed(row: Row) -> bool:
    """Say whether the modules that a row requires are there, without importing them."""
    return not _missing(row)


def _missing(row: Row) -> list[str]:
    return [name for name in row.requires if importlib.util.find_spec(name) is None]


def _target(row: Row, word: str) -> Any:
    module, _, attribute = row.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise NotFoundError(
            f"The {word} {row.id!r} of {row.provider} could not be loaded: {_sentence(error)}"
        ) from error


def load_backend(name: str) -> Backend:
    """Return the backend called ``name``.

    Raises:
        BackendError: its framework is not installed; the text says what to type.
    """
    row = registry().find("backends", name)
    if missing := _missing(row):
        hint = f" Install it with: {row.install}" if row.install else ""
        raise BackendError(
            f"Backend {row.id!r} is not installed ({', '.join(missing)} missing).{hint}"
        )
    backend: Backend = _target(row, "backend")()
    return backend


def load_dataset(name: str, data_dir: Path | None = None) -> Dataset:
    """Return the data set called ``name``, or ``name:argument``."""
    from gandem.core.datasets import Dataset

    head, _, argument = name.partition(":")
    row = registry().find("datasets", head)
    found = _target(row, "data set")(argument, data_dir)
    if not isinstance(found, Dataset):
        raise DataError(
            f"The data set {row.id!r} of {row.provider} returned {type(found).__name__}."
        )
    return found


def load_objective(objective: Objective) -> ObjectiveRule:
    """Return the rule of a spec's objective.

    Raises:
        SpecError: label smoothing was asked of an objective that has no targets.
    """
    row = registry().find("objectives", objective.name)
    rule: ObjectiveRule = _target(row, "objective")()
    if objective.label_smoothing and not rule.smoothable:
        raise SpecError(
            f"objective: {row.id!r} has no target to smooth; set objective.label_smoothing=0."
        )
    return rule


def load_spec(name: str, settings: Mapping[str, Any] | None = None, *, small: bool = False) -> Spec:
    """Return the spec of a model, or of a ``.toml`` or ``.json`` file, with some settings changed.

    Args:
        name: a model's id, or a path.
        settings: a model's own keyword parameters (``latent``), and fields of the spec by path
            (``latent.size``).
        small: the model's size for parity work.

    Raises:
        NotFoundError: no such model.
        SpecError: a setting fits nothing, or the spec does not hold.
    """
    from gandem.core.spec import change, read_spec

    settings = dict(settings or {})
    if name.endswith((".toml", ".json")) or (os.sep in name and Path(name).exists()):
        if small:
            raise SpecError(f"{name}: a spec file has one size; leave --size out or write 'full'.")
        spec = change(read_spec(Path(name)), settings)
    else:
        row = registry().find("models", name)
        make = _target(row, "model")
        known = inspect.signature(make).parameters
        own = {key: settings.pop(key) for key in list(settings) if key in known}
        spec = change(_made(row, make, (row.small if small else {}) | own), settings, known)
    load_objective(spec.objective)
    return spec


def _made(row: Row, make: Any, arguments: Mapping[str, Any]) -> Spec:
    from gandem.core.spec import Spec, plan_spec

    try:
        spec = make(**arguments)
    except GandemError:
        raise
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise SpecError(
            f"The model {row.id!r} cannot be made with {dict(arguments)}: {_sentence(error)}"
        ) from error
    if not isinstance(spec, Spec):
        raise SpecError(f"The model {row.id!r} of {row.provider} returned {type(spec).__name__}.")
    plan_spec(spec)
    return spec
