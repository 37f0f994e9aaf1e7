"""Entries of the registry, and the ``registry.toml`` files that list them."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

from gandem.core.errors import GandemError, suggest
from gandem.core.plugins.installation import adapt_command

KINDS = {
    "models": "model",
    "layers": "layer",
    "schedules": "schedule",
    "backends": "backend",
    "datasets": "data set",
    "losses": "loss",
    "extractors": "extractor",
    "metrics": "metric",
    "launchers": "launcher",
    "callbacks": "callback",
    "exporters": "exporter",
    "pretrained": "pretrained model",
}
"""The kinds of entries, each with the noun for one of them; the hook is ``gandem_KIND``."""
FILE_NAME = "registry.toml"
SCHEMA = 1
MAX_ID_LENGTH = 100
_PART = r"\w([\w.-]*\w)?"
# a name with an end of .toml or .json is a spec file
_ID = rf"(?i)({_PART}/)?{_PART}(@{_PART})?(?<!\.toml)(?<!\.json)"
_TARGET = r"\w+(\.\w+)*:\w+"


keeps_invalid = ContextVar("keeps_invalid", default=False)
"""True while a plugin's code runs: an invalid entry does not cost the valid ones beside it."""


class InvalidEntry:
    """What a plugin's code gets in place of an entry that is not valid; the hook returns it.

    Args:
        source: the file that lists the entry, if any.
    """

    def __init__(self, problem: str, source: str = "") -> None:
        self.problem, self.source = problem, source


class _EntryType(type):
    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except (TypeError, ValueError) as error:
            if not keeps_invalid.get():
                raise
            return InvalidEntry(str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(metaclass=_EntryType):
    """One row of the registry.

    Attributes:
        id: the name users type; a third party's carries its prefix, ``"acme/wgan"``. Letters,
            digits, ``_``, ``-`` and ``.``, the last two inside; of a pretrained model, two such
            names, ``"dcgan@digits"``.
        target: ``"package.module:attribute"``, imported when the entry is used.
        title: a short description for lists.
        paper: the source.
        requires: modules that must be installed.
        install: the command that installs them.
        aliases: other names that find the entry, with the same prefix rule as ``id``.
        small: for models, the arguments of the small size, which parity is measured at.
        data: for models, the default data set, ``"mnist"``.
        classes: for models, the classes used of that data set; empty for all.
        extractor: for data sets, the default extractor, ``"lenet5:digits"``; ``"pixels"`` if empty.
        tolerance: for models, the largest difference of two backends after 200 steps at the small
            size in float64.
        conformance: for backends, the ``"package.module:Class"`` of the operations that only the
            conformance suite imports; see :class:`gandem.testing.ConformanceTarget`.
        sha256: for pretrained models, the hash of their ``model.safetensors``.
        kind: a key of :data:`KINDS`; filled in by gandem.
        provider: the distribution that added the entry; filled in by gandem.

    Raises:
        TypeError, ValueError: a field has the wrong type or form.
    """

    id: str
    target: str
    title: str = ""
    paper: str = ""
    requires: tuple[str, ...] = ()
    install: str = ""
    aliases: tuple[str, ...] = ()
    small: dict[str, Any] = field(default_factory=dict)
    data: str = "digits"
    classes: tuple[int, ...] = ()
    extractor: str = ""
    tolerance: float = 1e-12
    conformance: str = ""
    sha256: str = ""
    kind: str = ""
    provider: str = ""

    def __post_init__(self) -> None:
        for name in _TEXTS:
            value = getattr(self, name)
            if not (isinstance(value, str) and value.isprintable()):
                raise TypeError(
                    f"Entry.{name}: expected a string on one line, received {value!r:.60}."
                )
        for name, item, noun in (
            ("requires", str, "module names"),
            ("aliases", str, "names"),
            ("classes", int, "integers"),
        ):
            value = getattr(self, name)
            if not (isinstance(value, tuple) and all(type(part) is item for part in value)):
                raise TypeError(f"Entry.{name}: expected a tuple of {noun}, received {value!r}.")
        for text in self.names:
            if not re.fullmatch(_ID, text) or len(text) > MAX_ID_LENGTH:
                name = "id" if text == self.id else "aliases"
                raise ValueError(
                    f"Entry.{name}: expected a name like 'acme/wgan', received {text!r:.60}."
                )
        for name, text in {"target": self.target, "conformance": self.conformance}.items():
            if not re.fullmatch(_TARGET, text) and (text or name == "target"):
                raise ValueError(
                    f"Entry.{name}: expected 'package.module:attribute', received {text!r}."
                )
        if not isinstance(self.small, dict):
            raise TypeError(f"Entry.small: expected a dict, received {self.small!r}.")
        if not isinstance(self.tolerance, int | float):
            raise TypeError(f"Entry.tolerance: expected a number, received {self.tolerance!r}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the aliases."""
        return (self.id, *self.aliases)

    @property
    def install_command(self) -> str:
        """The command that installs what the entry requires, for this installation of gandem."""
        return adapt_command(self.install)

    @property
    def full_name(self) -> str:
        """The entry as errors name it: ``"model 'acme/wgan' of acme-gans"``."""
        return f"{KINDS.get(self.kind, 'entry')} {self.id!r} of {self.provider}"


_TEXTS = [f.name for f in fields(Entry) if f.type == "str"]
_WRITABLE = [f.name for f in fields(Entry) if f.name not in ("kind", "provider")]


def entries(package: str) -> dict[str, list[Entry]]:
    """Return the entries of the ``registry.toml`` in a package, by kind.

    A plugin that ships such a file returns them from its hooks:
    ``gandem.entries(__name__)["models"]``.

    Args:
        package: the name of the package, or of a module in it.

    Raises:
        GandemError: the file is missing or not valid.
    """
    try:
        module = sys.modules.get(package) or import_module(package)
    except ImportError as error:
        raise GandemError(f"{FILE_NAME}: no package named {package!r} ({error}).") from None
    parent = module.__spec__.parent if module.__spec__ else ""
    if not parent:
        raise GandemError(f"{FILE_NAME}: {package!r} is a module outside a package.")
    try:
        path = os.path.join(os.path.dirname(module.__file__ or ""), FILE_NAME)
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GandemError(
            f"{parent}/{FILE_NAME}: cannot be read ({reason}). Is it listed in the package data?"
        ) from None
    return parse_entries(text, f"{parent}/{FILE_NAME}", provider=parent.partition(".")[0])


def parse_entries(text: str, source: str = FILE_NAME, provider: str = "") -> dict[str, list[Entry]]:
    """Return the entries in the text of a ``registry.toml``, by kind.

    The file has ``schema = 1`` and one ``[[kind]]`` table per entry.

    Args:
        source: the name of the file in errors.
        provider: of the entries, until the registry knows their distribution.

    Raises:
        GandemError: the text is not TOML, or has an unknown schema, kind or field.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise GandemError(f"{source}: not valid TOML: {error}.") from None
    if data.pop("schema", None) != SCHEMA:
        raise GandemError(f"{source}: expected schema = {SCHEMA}; upgrade gandem.")
    unknown = [
        _invalid(f"unknown kind {kind!r}.{suggest(kind, KINDS)}", source)
        for kind in data
        if kind not in KINDS
    ]
    return {
        kind: unknown + list(_parse_tables(kind, data.get(kind, []), source, provider))
        for kind in KINDS
    }


def _parse_tables(kind: str, tables: Any, source: str, provider: str) -> Iterator[Any]:
    if not isinstance(tables, list):
        tables = [None]  # a single table, [models]
    for table in tables:
        problem = _find_problem(kind, table)
        if problem:
            yield _invalid(problem, source)
            continue
        lists = {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
        values: dict[str, Any] = table | lists | {"kind": kind, "provider": provider}
        try:
            entry: Any = Entry(**values)
        except (TypeError, ValueError) as error:
            raise GandemError(f"{source}: {kind}: {error}") from None
        invalid = isinstance(entry, InvalidEntry)
        yield InvalidEntry(f"{kind}: {entry.problem}", source) if invalid else entry


def _find_problem(kind: str, table: Any) -> str:
    """Return what is wrong with the fields of a table; empty if nothing is."""
    if not isinstance(table, dict):
        return f"write [[{kind}]] before each entry."
    for name in table:
        if name not in _WRITABLE:
            return f"unknown field {name!r} in {kind}.{suggest(name, _WRITABLE)}"
    missing = [name for name in ("id", "target") if name not in table]
    return f"an entry of {kind} has no {missing[0]!r}." if missing else ""


def _invalid(problem: str, source: str) -> Any:
    """Return an invalid entry while a plugin's code runs.

    Raises:
        GandemError: otherwise.
    """
    if keeps_invalid.get():
        return InvalidEntry(problem, source)
    raise GandemError(f"{source}: {problem}")
