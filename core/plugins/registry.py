"""The registry: one table each of models, layers, backends, data sets and losses, and the
watchers of trainings, from gandem itself and from installed plugins.

Plugins are loaded one at a time; whatever is wrong with one is kept as a sentence beside its name
and the rest goes on.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from itertools import islice
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
from gandem.core.plugins.catalog import entries_from_toml, rows
from gandem.core.plugins.discovery import BUILTIN, KINDS, Plugin, Watcher, find_plugins
from gandem.core.plugins.hookspecs import Entry, hookimpl
from gandem.core.plugins.isolation import aside, sentence
from gandem.core.plugins.loading import (
    BACKEND,
    EXTRACTOR,
    LAUNCHER,
    LOSS,
    call_target,
    extractor_fault,
    find_target,
    lack_of,
    parameters_of,
)

if TYPE_CHECKING:  # `gandem list` shall not wait for NumPy
    from gandem.compare import Launcher
    from gandem.core.data.dataset import Dataset, Fittable
    from gandem.core.specs import Loss, Spec
    from gandem.core.training import AdversarialLoss, Backend
    from gandem.metrics.evaluation import Extractor

__all__ = [
    "LAYERS",
    "Plugin",
    "Registry",
    "Watcher",
    "entries_from_toml",
    "find_backend",
    "find_dataset",
    "find_extractor",
    "find_model",
    "installed",
    "load_backend",
    "load_dataset",
    "load_extractor",
    "load_launcher",
    "load_loss",
    "load_spec",
    "registry",
    "rows",
]


class Registry:
    """All rows, by table and id; the plugins they came from; those that watch trainings."""

    def __init__(
        self,
        plugins: list[Plugin],
        rows: Mapping[str, list[Entry]],
        watchers: Iterable[Watcher] = (),
    ) -> None:
        self.plugins = plugins
        self.watchers = list(watchers)
        self._rows = rows

    def rows(self, table: str) -> list[Entry]:
        """Return the rows of a table, ours first, then by id; clashing ones too."""
        return sorted(self._rows[table], key=lambda row: (row.provider != BUILTIN, row.id))

    def find(self, table: str, name: str) -> Entry:
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

    Raises:
        GandemError: a plugin asks for it while it is being listed.
    """
    if _reading.get():
        raise GandemError(
            "the registry is still being read; ask for it, or for a spec, when something is built."
        )
    token = _reading.set(True)
    try:
        return Registry(*find_plugins(_Builtin()))
    finally:
        _reading.reset(token)


_reading = ContextVar("_reading", default=False)


class _Builtin:
    """gandem's own rows, through the same door as a stranger's."""

    def __init__(self) -> None:
        self._rows = rows(BUILTIN)

    @hookimpl
    def gandem_models(self) -> Iterable[Entry]:
        return self._rows["models"]

    @hookimpl
    def gandem_layers(self) -> Iterable[Entry]:
        return self._rows["layers"]

    @hookimpl
    def gandem_backends(self) -> Iterable[Entry]:
        return self._rows["backends"]

    @hookimpl
    def gandem_datasets(self) -> Iterable[Entry]:
        return self._rows["datasets"]

    @hookimpl
    def gandem_losses(self) -> Iterable[Entry]:
        return self._rows["losses"]

    @hookimpl
    def gandem_extractors(self) -> Iterable[Entry]:
        return self._rows["extractors"]

    @hookimpl
    def gandem_launchers(self) -> Iterable[Entry]:
        return self._rows["launchers"]


# --- from a row to the thing ---------------------------------------------------------------------


def installed(row: Entry) -> bool:
    """Say whether the modules that a row requires are there, without importing them."""
    return not _missing(row)


def _missing(row: Entry) -> list[str]:
    return [name for name in row.requires if not _is_there(name.partition(".")[0])]


def _is_there(module: str) -> bool:
    """Say whether a module can be found; of a package only, since a submodule would import it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # no name at all, or a module that hides where it is from
        return module in sys.modules


def _ready(
    table: str, name: str, words: str = "The {kind} {name} needs {missing}, which is not there."
) -> Entry:
    """Return the row of what can be had here.

    Args:
        words: what is said where something is missing, before what to type.

    Raises:
        NotFoundError, ClashError: as :meth:`Registry.find`.
        BackendError: what it requires is not installed; the text says what to type.
    """
    row = registry().find(table, name)
    if missing := _missing(row):
        said = words.format(kind=KINDS[table], name=repr(row.id), missing=", ".join(missing))
        hint = f" Install it with: {row.install}" if row.install else ""
        raise BackendError(f"{said}{hint}")
    return row


def find_backend(name: str) -> Entry:
    """Return the row of a backend whose framework is installed, without importing it.

    Raises:
        NotFoundError: no such backend.
        BackendError: its framework is not installed; the text says what to type.
    """
    return _ready("backends", name, "Backend {name} is not installed ({missing} missing).")


def load_backend(name: str) -> Backend:
    """Return the backend called ``name``.

    Raises:
        BackendError: its framework is not installed, or it is damaged, or no backend at all.
    """
    row = find_backend(name)
    load = find_target(row, "backend")
    try:
        with aside():
            backend: Backend = load()
    except (ImportError, OSError) as error:  # a shared library that is not there, or not right
        raise BackendError(
            f"Backend {row.id!r} is installed and cannot be imported: {sentence(error)}"
        ) from error
    if lack := lack_of(backend, BACKEND):
        raise BackendError(f"The backend {row.id!r} of {row.provider} is none: {lack}.")
    return backend


def load_dataset(
    name: str,
    data_dir: Path | str | None = None,
    shape: tuple[int, ...] | None = None,
    classes: Sequence[int] | None = None,
) -> Dataset:
    """Return the data set called ``name``, or ``name:argument``.

    Args:
        data_dir: a folder with its files.
        shape: (H, W, C) to which images of many sizes are brought; a data set whose images have
            one size keeps it.
        classes: of it only these, renumbered from 0; left out or empty, all.

    Raises:
        NotFoundError: no such data set.
        DataError: it cannot be read or downloaded, or has no such classes.
    """
    from gandem.core.data.dataset import Fittable

    found = find_dataset(name, Path(data_dir) if data_dir else None)
    dataset = found.fitted(shape) if isinstance(found, Fittable) else found
    return dataset.only(classes) if classes else dataset


def find_dataset(name: str, data_dir: Path | None = None) -> Dataset | Fittable:
    """Return what the loader of :func:`load_dataset` returns: images of many sizes as they are.

    Raises:
        NotFoundError, DataError: as there.
    """
    from gandem.core.data.dataset import Dataset, Fittable

    head, _, argument = name.partition(":")
    row = registry().find("datasets", head)
    load = find_target(row, "data set")
    with aside():
        found = load(argument, data_dir)
    if not isinstance(found, Dataset | Fittable):
        raise DataError(
            f"The data set {row.id!r} of {row.provider} returned {type(found).__name__}."
        )
    return found


def load_loss(loss: Loss) -> AdversarialLoss:
    """Return the rule of a spec's loss.

    Raises:
        NotFoundError: no such loss.
        SpecError: it is no rule, or label smoothing was asked of one that has no targets.
    """
    row = registry().find("losses", loss.name)
    rule: AdversarialLoss = find_target(row, "loss")()
    if lack := lack_of(rule, LOSS):
        raise SpecError(f"The loss {row.id!r} of {row.provider} is none: {lack}.")
    if loss.label_smoothing and not rule.smoothable:
        raise SpecError(f"loss: {row.id!r} has no target to smooth; set loss.label_smoothing=0.")
    return rule


def find_extractor(name: str) -> Entry:
    """Return the row of an extractor, ``name`` or ``name:argument``, that can be had here.

    Raises:
        NotFoundError: no such extractor.
        BackendError: what it needs is not installed; the text says what to type.
    """
    return _ready("extractors", name.partition(":")[0])


def load_extractor(name: str, backend: str) -> Extractor:
    """Return the extractor called ``name``, or ``name:argument``.

    Args:
        backend: the id of an installed backend, for those that run on any.

    Raises:
        NotFoundError: no such extractor.
        DataError, BackendError: it cannot be had; the text says what to do.
    """
    row, argument = find_extractor(name), name.partition(":")[2]
    load = find_target(row, "extractor")
    try:
        with aside():
            extractor: Extractor = load(argument, backend)
    except (GandemError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a stranger's code may raise anything at all
        raise DataError(
            f"The extractor {row.id!r} of {row.provider} cannot be made: {sentence(error)}"
        ) from error
    if lack := lack_of(extractor, EXTRACTOR) or extractor_fault(extractor):
        raise NotFoundError(f"The extractor {row.id!r} of {row.provider} is none: {lack}.")
    return extractor


def load_launcher(name: str, workers: int, address: str | None, folder: Path) -> Launcher:
    """Return the launcher called ``name``.

    Args:
        folder: where it may keep files of its own; it need not be there yet.

    Raises:
        NotFoundError: no such launcher.
        BackendError, RunError: it cannot be had; the text says what to do.
    """
    row = _ready("launchers", name)
    load = find_target(row, "launcher")
    with aside():
        launcher: Launcher = load(workers, address, folder)
    if lack := lack_of(launcher, LAUNCHER):
        raise NotFoundError(f"The launcher {row.id!r} of {row.provider} is none: {lack}.")
    return launcher


def find_model(name: str | os.PathLike[str]) -> Entry | None:
    """Return the row of a model; None for what is the path of a spec's file.

    Raises:
        NotFoundError, ClashError: as :meth:`Registry.find`.
    """
    name = os.fspath(name)
    is_file = name.endswith((".toml", ".json")) or (os.sep in name and os.path.isfile(name))
    return None if is_file else registry().find("models", name)


def load_spec(
    name: str | os.PathLike[str], settings: Mapping[str, Any] | None = None, *, small: bool = False
) -> Spec:
    """Return the spec of a model, or of a ``.toml`` or ``.json`` file, with some settings changed.

    The file and the settings may name layers of plugins; the spec holds gandem's own.

    Args:
        name: a model's id, or a path.
        settings: a model's own keyword parameters (``latent``), and fields of the spec by path
            (``latent.size``).
        small: the model's size for parity work.

    Raises:
        NotFoundError: no such model.
        SpecError: a setting fits nothing, or the spec does not hold.
    """
    from gandem.core.specs import change, read_spec
    from gandem.core.training.losses import check_rule

    name, settings = os.fspath(name), dict(settings or {})
    row = find_model(name)
    if row is None:
        if small:
            raise SpecError(f"{name}: a spec file has one size; leave --size out or write 'full'.")
        spec = change(read_spec(Path(name), LAYERS), settings, layers=LAYERS)
    else:
        make = find_target(row, "model")
        known = list(parameters_of(row, "model", make))
        own = {key: settings.pop(key) for key in list(settings) if key in known}
        spec = _spec(row, make, (row.small if small else {}) | own)
        spec = change(spec, settings, known, LAYERS)
    rule = load_loss(spec.loss)
    check_rule(spec, rule)
    return spec


class PluginLayers:
    """The layers of plugins, for those who read a spec: see :class:`gandem.core.specs.Layers`."""

    def kinds(self) -> list[str]:
        """Return their ids."""
        return [row.id for row in registry().entries("layers")]

    def make(self, kind: str, arguments: Mapping[str, Any]) -> object:
        """Return what the function of that id makes of its arguments.

        Raises:
            NotFoundError, ClashError: there is no such layer, or more than one.
            SpecError: the arguments do not fit.
        """
        row = registry().find("layers", kind)
        make = find_target(row, "layer")
        known = parameters_of(row, "layer", make)
        open_end = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        for name in arguments:
            if name not in known and not open_end:
                near = suggest(name, known)
                raise SpecError(f"{row.id!r} has no parameter {shown(name)}.{near}")
        for name, parameter in known.items():
            optional = parameter.default is not parameter.empty
            if not (optional or name in arguments or parameter.kind in _COLLECTS):
                raise SpecError(f"{row.id!r} lacks its parameter {name!r}.")
        return call_target(row, "layer", lambda **given: _listed(make(**given)), arguments)


LAYERS = PluginLayers()
_COLLECTS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _listed(made: object) -> object:
    """Return what a generator yields, and no more of it than is wanted; else what was made."""
    from gandem.core.specs import MOST_LAYERS

    return tuple(islice(made, MOST_LAYERS + 1)) if isinstance(made, Iterator) else made


def _spec(row: Entry, make: Any, arguments: Mapping[str, Any]) -> Spec:
    from gandem.core.specs import Spec, plan_spec

    spec = call_target(row, "model", make, arguments)
    if not isinstance(spec, Spec):
        raise SpecError(f"The model {row.id!r} of {row.provider} returned {type(spec).__name__}.")
    plan_spec(spec)
    return spec
