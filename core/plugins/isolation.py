"""What strangers' code may do wrong, and how it is said in one line."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from types import ModuleType
from typing import Any

from gandem.core.plugins.hookspecs import Entry

__all__ = [
    "aside",
    "check_reference",
    "fault_of",
    "misnamed",
    "names_of_functions",
    "owned",
    "sentence",
]

LONGEST = 500
"""Letters of an exception's text that are shown."""


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """Let what a stranger's code prints go to standard error, for standard output may be read as
    JSON.
    """
    with contextlib.redirect_stdout(sys.stderr):
        yield


def sentence(error: BaseException) -> str:
    """Return what an exception says, on one line that every terminal can show."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # a stranger's exception may fail at that too
        text = ""
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def names_of_functions(found: object) -> list[str]:
    """Return the names of what may be a hook; those that a module makes when asked are not asked
    for.
    """
    if isinstance(found, ModuleType):
        return [name for name, value in vars(found).items() if inspect.isroutine(value)]
    return dir(found)


def check_reference(value: str | None) -> None:
    """Raise an error unless an entry point leads to a module or to something in one."""
    if value is not None and not re.fullmatch(r"[\w.]+\s*(:\s*[\w.]+\s*)?(\[.*\]\s*)?", value):
        raise ValueError(
            f"its entry point is {value!r:.80}, expected 'package.module' or "
            "'package.module:attribute'."
        )


def fault_of(function: Any, *, yields: bool = True) -> str:
    """Say why a hook cannot be called as it should, or nothing.

    Args:
        yields: whether it may be a generator.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "it must be a plain function, without async."
    if not yields and inspect.isgeneratorfunction(function):
        return "it must be a plain function, without yield."
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a signature of its own making
        return ""
    for parameter in parameters:
        if parameter.default is not parameter.empty or parameter.kind is parameter.KEYWORD_ONLY:
            return (
                f"write its parameter {parameter.name!r} without a default, and no '*' before it."
            )
    return ""


def owned(row: object, distribution: str) -> Entry:
    """Return a row once more, checked again, as a plain row of its distribution.

    Raises:
        TypeError, ValueError, AttributeError: it is none.
    """
    if not isinstance(row, Entry):
        raise TypeError
    facts = {field.name: getattr(row, field.name) for field in fields(Entry)}
    return Entry(**facts | {"provider": distribution})


def misnamed(name: str, plugin: str, *, again: bool) -> str:
    """Say what is wrong with the id of a stranger's row, or nothing.

    Args:
        again: whether the same distribution has used it before.
    """
    prefix, slash, _ = name.partition("/")
    if not slash:
        return f"has no prefix; call it '{plugin}/{name}'."
    if prefix == "gandem":
        return "has gandem's own prefix; take one of yours."
    return "is there twice; the first counts." if again else ""
