"""Checked dataclasses: every field of a spec is held to its annotation, from Python and from a file
alike.

Two spellings of one thing become one thing here: ``kernel=4`` is stored as ``(4, 4)``, ``1`` in a
float field as ``1.0``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from gandem.core.errors import SpecError, suggest

__all__ = ["KINDS", "Checked", "Count", "Fraction", "Pair", "Range", "coerce", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers a field admits: low ≤ x ≤ high, without an end that is marked open."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def admits(self, value: float) -> bool:
        """Say whether ``value`` lies in the range."""
        return (
            self.low <= value <= self.high
            and not (self.open_low and value == self.low)
            and not (self.open_high and value == self.high)
        )

    def __str__(self) -> str:
        left = "" if self.low == -math.inf else f"{self.low:g} {'<' if self.open_low else '≤'} "
        right = "" if self.high == math.inf else f" {'<' if self.open_high else '≤'} {self.high:g}"
        return f"{left}x{right}"


Count = Annotated[int, Range(1, 2**31 - 1)]
"""A whole number from 1."""
Pair = tuple[Count, Count]
"""(vertical, horizontal); one number stands for both."""
Fraction = Annotated[float, Range(0, 1, open_high=True)]
"""0 ≤ x < 1."""

KINDS: dict[type, dict[str, type[Any]]] = {}
"""For each family of tagged dataclasses (layers, optimisers, initialisers): its members by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Base of all spec data: when it is made, fields are checked and brought to one spelling."""

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():  # type: ignore[arg-type]  # mypy#11469
            value = coerce(hint, getattr(self, name), f"{type(self).__name__}.{name}")
            object.__setattr__(self, name, value)


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """Return the annotations of a dataclass's fields, in order."""
    found = get_type_hints(cls, include_extras=True)
    return {field.name: found[field.name] for field in dataclasses.fields(cls)}


def family(cls: Any) -> type | None:
    """Return the tagged family that ``cls`` stands for, or None."""
    return cls if isinstance(cls, type) and cls in KINDS else None


def coerce(hint: Any, value: Any, path: str) -> Any:
    """Return ``value`` as ``hint`` wants it, or raise a :class:`SpecError` that names ``path``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        value = coerce(args[0], value, path)
        for limit in args[1:]:
            if isinstance(limit, Range) and not limit.admits(value):
                raise SpecError(
                    f"{path}: expected {str(limit).replace('x', 'a number', 1)}, "
                    f"received {value!r}."
                )
        return value
    if origin is Literal:
        if value in args and not isinstance(value, bool):
            return value
        raise SpecError(
            f"{path}: expected {_or(args)}, received {value!r}."
            + (suggest(value, [str(a) for a in args]) if isinstance(value, str) else "")
        )
    if origin in (Union, types.UnionType):
        for option in args:
            try:
                return coerce(option, value, path)
            except SpecError:
                continue
        raise SpecError(f"{path}: expected {_name(hint)}, received {value!r}.")
    if origin is tuple:
        return _tuple(args, value, path)
    if hint is type(None):
        if value is None:
            return None
    elif hint is bool:
        if isinstance(value, bool):
            return value
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                return float(value) + 0.0  # -0.0 and 0.0 are one thing
            raise SpecError(f"{path}: expected a finite number, received {value!r}.")
    elif hint is str:
        if isinstance(value, str):
            return value
    elif dataclasses.is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value
        if isinstance(value, dict):
            return decode(hint, value, path)
    raise SpecError(f"{path}: expected {_name(hint)}, received {value!r:.60}.")


def decode(cls: Any, data: dict[str, Any], path: str = "") -> Any:
    """Build a spec dataclass from plain data.

    Raises:
        SpecError: an unknown or missing field, or a value of the wrong type or range; the text
            names the place.
    """
    data = dict(data)
    where = path or "the spec"
    if (tagged := family(cls)) is not None:
        members = KINDS[tagged]
        kind = data.pop("kind", None)
        if not isinstance(kind, str) or kind not in members:
            near = suggest(kind, members) if isinstance(kind, str) else ""
            raise SpecError(f"{where}: no {tagged.__name__.lower()} is of kind {kind!r}.{near}")
        cls = members[kind]
    known = hints(cls)
    for name in data:
        if name not in known:
            raise SpecError(f"{where}: unknown field {name!r}.{suggest(name, known)}")
    for field in dataclasses.fields(cls):
        if field.name not in data and field.default is dataclasses.MISSING:
            raise SpecError(f"{where}: the field {field.name!r} is missing.")
    prefix = f"{path}." if path else ""
    return cls(**{name: coerce(known[name], data[name], prefix + name) for name in data})


def encode(value: Any) -> Any:
    """Return the plain data (dicts, lists, numbers, strings) of a spec dataclass, every field
    written out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = getattr(type(value), "kind", None)
        tagged = {"kind": kind} if isinstance(kind, str) else {}
        fields = {name: getattr(value, name) for name in hints(type(value))}
        return tagged | {name: encode(v) for name, v in fields.items() if v is not None}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def _tuple(args: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    many = len(args) == 2 and args[1] is Ellipsis
    if isinstance(value, int) and not isinstance(value, bool) and not many:
        value = (value,) * len(args)  # kernel = 4 means (4, 4)
    if not isinstance(value, list | tuple) or not (many or len(value) == len(args)):
        raise SpecError(
            f"{path}: expected {_name(tuple.__class_getitem__(args))}, received {value!r:.60}."
        )
    items = args[:1] * len(value) if many else args
    return tuple(
        coerce(hint, item, f"{path}[{_label(index, item)}]")
        for index, (hint, item) in enumerate(zip(items, value, strict=True))
    )


def _label(index: int, item: Any) -> str:
    """Name an element of a list by its own name or kind where it has one."""
    if isinstance(item, dict):
        if isinstance(item.get("name"), str):
            return str(item["name"])
        if isinstance(item.get("kind"), str):
            return f"{index}: {item['kind']}"
    return str(index)


def _or(options: tuple[Any, ...]) -> str:
    return " or ".join(repr(option) for option in options)


def _name(hint: Any) -> str:
    """Return the words for what a field wants."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _name(args[0])
    if origin is Literal:
        return _or(args)
    if origin in (Union, types.UnionType):
        return " or ".join(_name(option) for option in args)
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return f"a list of {_name(args[0])}"
        return f"[{', '.join(_name(a) for a in args)}]"
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words[type(None)] = "nothing"
    return words.get(hint, f"a table ({hint.__name__})" if isinstance(hint, type) else str(hint))
