"""The hooks of gandem: everything a plugin can say to it, on one screen.

A plugin is a module or object that an installed distribution names in the entry-point group
``gandem``, with functions marked by ``@gandem.hookimpl``.  Our own models, data sets and backends
come through the same hooks.

Every hook below is called once, when the registry is first read, and returns rows: facts and
strings.  It must not import a framework, read a file of data, or take longer than a blink; what a
row's ``target`` names is imported when somebody builds it.  A plugin that raises is reported by
``gandem plugins`` and skipped.  Ids carry the plugin's own prefix,
``acme/wgan``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pluggy

__all__ = ["Row", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("gandem")
hookimpl = pluggy.HookimplMarker("gandem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry of the registry.

    Attributes:
        id: the name people type; a third party's carries its prefix, ``"acme/wgan"``.
        target: ``"package.module:attribute"``, imported when the entry is built.
        title: a few words for lists.
        paper: where it comes from.
        requires: modules that must be installed for it to work.
        install: what to type to get them.
        small: for models, the arguments that make a size fit for parity work.
        gate: for models, how far apart two backends may be after 200 steps at that size, in
            float64.
        provider: the distribution it came from; filled in by gandem.

    Raises:
        TypeError, ValueError: a field cannot be what it should; the plugin that made the row is
            reported.
    """

    id: str
    target: str
    title: str = ""
    paper: str = ""
    requires: tuple[str, ...] = ()
    install: str = ""
    small: dict[str, Any] = field(default_factory=dict)
    gate: float = 1e-12
    provider: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "target", "title", "paper", "install", "provider"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value.isprintable()):
                raise TypeError(f"Row.{name}: expected a text on one line, received {value!r:.60}.")
        if not re.fullmatch(r"([\w.-]+/)?[\w.-]+", self.id):
            raise ValueError(f"Row.id: expected a name like 'acme/wgan', received {self.id!r}.")
        if not re.fullmatch(r"\w+(\.\w+)*:\w+", self.target):
            raise ValueError(
                f"Row.target: expected 'package.module:attribute', received {self.target!r}."
            )
        requires = self.requires
        if not (isinstance(requires, tuple) and all(isinstance(name, str) for name in requires)):
            raise TypeError(
                f"Row.requires: expected a tuple of module names, received {requires!r}."
            )
        if not isinstance(self.small, dict):
            raise TypeError(f"Row.small: expected a dict, received {self.small!r}.")
        if not isinstance(self.gate, int | float):
            raise TypeError(f"Row.gate: expected a number, received {self.gate!r}.")


@hookspec
def gandem_models() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of models.

    The target is a function with keyword parameters, each with a default, that returns a
    :class:`gandem.core.spec.Spec`.
    """


@hookspec
def gandem_backends() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of backends.

    The target is a function without parameters that returns a
    :class:`gandem.core.training.Backend`.
    """


@hookspec
def gandem_datasets() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of data sets.

    The target is a function ``(argument: str, data_dir: Path | None)`` that returns a
    :class:`gandem.core.datasets.Dataset`; the argument is what follows the colon in ``--data
    name:argument``.
    """


@hookspec
def gandem_objectives() -> Iterable[Row]:  # type: ignore[empty-body]
    """Return rows of objectives.

    The target is a class without parameters of the form
    :class:`gandem.core.training.ObjectiveRule`.
    """
