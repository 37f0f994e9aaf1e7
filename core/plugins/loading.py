"""From a row to the thing: importing a target, calling it, and what the thing must have.

A target may be a stranger's: whatever it raises becomes one sentence that names it.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from gandem.core.errors import GandemError, NotFoundError, SpecError, shown
from gandem.core.plugins.hookspecs import Entry
from gandem.core.plugins.isolation import aside, sentence

__all__ = [
    "BACKEND",
    "EXTRACTOR",
    "LAUNCHER",
    "LOSS",
    "call_target",
    "extractor_fault",
    "find_target",
    "lack_of",
    "parameters_of",
]

BACKEND = (
    "capabilities",
    "known_failures",
    "versions",
    "devices",
    "engine",
    "differentiate",
    "gradient",
    "optimize",
)
LOSS = ("smoothable", "real", "fake", "generator")
LAUNCHER = ("submit", "close")
EXTRACTOR = ("name", "digest", "classes", "__call__")
"""What must be there, of ``gandem.core.training``'s ``Backend`` and ``AdversarialLoss``, of
``gandem.compare``'s ``Launcher``, and of ``gandem.metrics.evaluation``'s ``Extractor``.
"""


def find_target(row: Entry, word: str) -> Any:
    """Import what a row's target names, ``"module:attribute"``.

    Args:
        word: what the row is of, for the error: ``"backend"``.

    Raises:
        NotFoundError: it cannot be imported.
    """
    module, _, attribute = row.target.partition(":")
    try:
        with aside():
            return getattr(importlib.import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's module may raise anything at all
        raise NotFoundError(
            f"The {word} {row.id!r} of {row.provider} could not be loaded: {sentence(error)}"
        ) from error


def lack_of(made: Any, parts: tuple[str, ...]) -> str:
    """Say what is missing from what a target made, or nothing."""
    lacks = [part for part in parts if not hasattr(made, part)]
    return f"{type(made).__name__} has no {lacks[0]!r}" if lacks else ""


def extractor_fault(extractor: Any) -> str:
    """Say what of an extractor cannot stand in a protocol, or nothing."""
    for part in ("name", "digest"):
        text = getattr(extractor, part)
        if not (isinstance(text, str) and text and text.isprintable()):
            return f"its {part} is {shown(text)}, expected a text on one line"
    count = extractor.classes
    if type(count) is not int or count < 0:
        return f"its classes are {shown(count)}, expected a whole number from 0"
    return ""


def parameters_of(row: Entry, word: str, make: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of what a row's target names.

    Raises:
        SpecError: it is no function.
    """
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        raise SpecError(
            f"The {word} {row.id!r} of {row.provider} is no function: {row.target} is a "
            f"{type(make).__name__}."
        ) from None


def call_target(row: Entry, word: str, make: Any, arguments: Mapping[str, Any]) -> Any:
    """Return what a target makes of arguments.

    Raises:
        SpecError: it cannot make anything of these.
    """
    try:
        with aside():
            return make(**arguments)
    except (GandemError, KeyboardInterrupt):
        raise
    except BaseException as error:  # what does not fit shows where code trips over it
        given = ", ".join(f"{key}={shown(value)}" for key, value in arguments.items())
        raise SpecError(
            f"The {word} {row.id!r} of {row.provider} cannot be made with "
            f"{given or 'its defaults'}: {sentence(error)}"
        ) from error
