"""The registry: one table of models, backends, data sets and objectives, and the watchers of
trainings, from gandem itself and from installed plugins.

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
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandem.core.errors import (
    BackendError,
    ClashError,
    DataError,
    GandemError,
    NotFoundError,
    SpecError,
    shown,
    suggest,
)
from gandem.core.hookspecs import Row, hookimpl
from gandem.core.plugins import BUILTIN, KINDS, Plugin, Watcher, find_plugins, sentence

if TYPE_CHECKING:  # `gandem list` shall not wait for NumPy
    from gandem.core.datasets import Dataset
    from gandem.core.spec import Objective, Spec
    from gandem.core.training import Backend, ObjectiveRule

__all__ = [
    "Plugin",
    "Registry",
    "Watcher",
    "installed",
    "load_backend",
    "load_dataset",
    "load_objective",
    "load_spec",
    "registry",
    "rows_from_toml",
]


class Registry:
    """All rows, by table and id; the plugins they came from; those that watch trainings."""

    def __init__(
        self,
        plugins: list[Plugin],
        rows: Mapping[str, list[Row]],
        watchers: Iterable[Watcher] = (),
    ) -> None:
        self.plugins = plugins
        self.watchers = list(watchers)
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
            raise NotFoundError(f"No {KINDS[table]} is called {shown(name)}.{suggest(name, known)}")
        if len(fits) > 1:
            owners = " and ".join(f"{row.id!r} of {row.provider}" for row in fits)
            remedy = "write the whole name"
            if len({row.id for row in fits}) < len(fits):
                remedy = "uninstall one, or choose with GANDEM_PLUGINS which load"
            raise ClashError(
                f"The {KINDS[table]} name {name!r} has several owners: {owners}; {remedy}."
            )
        return fits[0]


@functools.cache
def registry() -> Registry:
    """Return the registry of this process, read once.

    ``GANDEM_PLUGINS`` chooses plugins by name or distribution: unset all, empty none, or a list
    with commas.
    ``GANDEM_TRACE=1`` writes to standard error what each hook returns and what each plugin watches.
    """
    return Registry(*find_plugins(_Builtin()))


def rows_from_toml(text: str) -> dict[str, list[Row]]:
    """Read a ``registry.toml``: a table of rows for each of models, backends, datasets and
    objectives.

    A plugin can ship its own and return ``rows_from_toml(text)["models"]`` from its hook.

    Raises:
        GandemError: it is not TOML, or has an unknown schema, table or field.
    """
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        raise GandemError(f"registry.toml: it is not TOML: {error}.") from None
    if data.pop("schema", None) != 1:
        raise GandemError("registry.toml: expected schema = 1; upgrade gandem.")
    rows: dict[str, list[Row]] = {table: [] for table in KINDS}
    for table, entries in data.items():
        if table not in KINDS:
            raise GandemError(f"registry.toml: unknown table {table!r}.{suggest(table, KINDS)}")
        if not isinstance(entries, list):
            raise GandemError(f"registry.toml: write [[{table}]] in front of each row.")
        rows[table] = [_row(table, entry) for entry in entries]
    return rows


def _row(table: str, entry: Any) -> Row:
    known = [f.name for f in fields(Row) if f.name != "provider"]
    if not isinstance(entry, dict):
        raise GandemError(f"registry.toml: write [[{table}]] in front of each row.")
    for name in entry:
        if name not in known:
            raise GandemError(
                f"registry.toml: unknown field {name!r} in {table}.{suggest(name, known)}"
            )
    for name in ("id", "target"):
        if name not in entry:
            raise GandemError(f"registry.toml: a row of {table} lacks its {name}.")
    if isinstance(entry.get("requires"), list):
        entry = entry | {"requires": tuple(entry["requires"])}
    try:
        return Row(**entry)
    except (TypeError, ValueError) as error:
        raise GandemError(f"registry.toml: {table}: {error}") from None


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


# --- from a row to the thing ---------------------------------------------------------------------


def installed(row: Row) -> bool:
    """Say whether the modules that a row requires are there, without importing them."""
    return not _missing(row)


def _missing(row: Row) -> list[str]:
    return [name for name in row.requires if not _is_there(name.partition(".")[0])]


def _is_there(module: str) -> bool:
    """Say whether a module can be found; of a package only, since a submodule would import it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # no name at all, or a module that hides where it is from
        return module in sys.modules


def _target(row: Row, word: str) -> Any:
    module, _, attribute = row.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything at all
        raise NotFoundError(
            f"The {word} {row.id!r} of {row.provider} could not be loaded: {sentence(error)}"
        ) from error


BACKEND = ("versions", "devices", "engine", "differentiate", "gradient", "optimise")
OBJECTIVE = ("smoothable", "real", "fake", "generator")
"""What must be there, of ``gandem.core.training``'s ``Backend`` and ``ObjectiveRule``."""


def _lack(made: Any, parts: tuple[str, ...]) -> str:
    """Say what is missing from what a target made, or nothing."""
    lacks = [part for part in parts if not hasattr(made, part)]
    return f"{type(made).__name__} has no {lacks[0]!r}" if lacks else ""


def load_backend(name: str) -> Backend:
    """Return the backend called ``name``.

    Raises:
        BackendError: its framework is not installed, and the text says what to type; or it is
            damaged, or no backend at all.
    """
    row = registry().find("backends", name)
    if missing := _missing(row):
        hint = f" Install it with: {row.install}" if row.install else ""
        raise BackendError(
            f"Backend {row.id!r} is not installed ({', '.join(missing)} missing).{hint}"
        )
    try:
        backend: Backend = _target(row, "backend")()
    except (ImportError, OSError) as error:  # a shared library that is not there, or not right
        raise BackendError(
            f"Backend {row.id!r} is installed and cannot be imported: {sentence(error)}"
        ) from error
    if lack := _lack(backend, BACKEND):
        raise BackendError(f"The backend {row.id!r} of {row.provider} is none: {lack}.")
    return backend


def load_dataset(name: str, data_dir: Path | None = None) -> Dataset:
    """Return the data set called ``name``, or ``name:argument``.

    Raises:
        NotFoundError: no such data set.
        DataError: it cannot be read or downloaded.
    """
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
        NotFoundError: no such objective.
        SpecError: it is no rule, or label smoothing was asked of one that has no targets.
    """
    row = registry().find("objectives", objective.name)
    rule: ObjectiveRule = _target(row, "objective")()
    if lack := _lack(rule, OBJECTIVE):
        raise SpecError(f"The objective {row.id!r} of {row.provider} is none: {lack}.")
    if objective.label_smoothing and not rule.smoothable:
        raise SpecError(
            f"objective: {row.id!r} has no target to smooth; set objective.label_smoothing=0."
        )
    return rule


def load_spec(
    name: str | os.PathLike[str], settings: Mapping[str, Any] | None = None, *, small: bool = False
) -> Spec:
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

    name, settings = os.fspath(name), dict(settings or {})
    if name.endswith((".toml", ".json")) or (os.sep in name and os.path.isfile(name)):
        if small:
            raise SpecError(f"{name}: a spec file has one size; leave --size out or write 'full'.")
        spec = change(read_spec(Path(name)), settings)
    else:
        row = registry().find("models", name)
        make = _target(row, "model")
        known = _parameters(row, make)
        own = {key: settings.pop(key) for key in list(settings) if key in known}
        spec = change(_made(row, make, (row.small if small else {}) | own), settings, known)
    load_objective(spec.objective)
    return spec


def _parameters(row: Row, make: Any) -> list[str]:
    try:
        return list(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        raise SpecError(
            f"The model {row.id!r} of {row.provider} is no function: {row.target} is a "
            f"{type(make).__name__}."
        ) from None


def _made(row: Row, make: Any, arguments: Mapping[str, Any]) -> Spec:
    from gandem.core.spec import Spec, plan_spec

    try:
        spec = make(**arguments)
    except GandemError:
        raise
    except Exception as error:  # what does not fit shows where the function first trips over it
        given = ", ".join(f"{key}={shown(value)}" for key, value in arguments.items())
        raise SpecError(
            f"The model {row.id!r} of {row.provider} cannot be made with "
            f"{given or 'its defaults'}: {sentence(error)}"
        ) from error
    if not isinstance(spec, Spec):
        raise SpecError(f"The model {row.id!r} of {row.provider} returned {type(spec).__name__}.")
    plan_spec(spec)
    return spec
