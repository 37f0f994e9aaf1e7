"""Checked dataclasses: every field of a spec is checked against its annotation.

Values are normalized, so that equal specs are equal data: ``kernel=4`` is stored as ``(4, 4)``,
``1`` in a float field as ``1.0``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.fields.types import KINDS, Range, describe, family, is_readable, list_options

Expand = Callable[[type, str, dict[str, Any], str], tuple[Any, ...]]
"""Takes a family, a kind that none of its members has, the fields and the path; returns members to
put in its place, or raises a :class:`SpecError`.
"""
MAX_NAMES = 10
"""Missing fields that an error names."""
DEEPEST = 40
"""The deepest nesting of tables; Python's stack overflows at about 150."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Base of all spec data; fields are checked and normalized on creation."""

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():  # type: ignore[arg-type]  # mypy#11469
            value = coerce(hint, getattr(self, name), f"{type(self).__name__}.{name}")
            object.__setattr__(self, name, value)


class InvalidValue(SpecError):
    """Fields of a table that do not fit each other; the reader of the table adds its path."""


class MissingFields(SpecError):
    """Fields are missing from a table, or from tables within it.

    Attributes:
        paths: the path of each.
    """

    def __init__(self, paths: list[str], title: str) -> None:
        self.paths = paths
        tables = {path.rpartition(".")[0] for path in paths}
        table = tables.pop() if len(tables) == 1 else ""
        names = [repr(path.removeprefix(f"{table}.")) for path in paths[:MAX_NAMES]]
        names += [f"{len(paths) - MAX_NAMES} more"] * (len(paths) > MAX_NAMES)
        text = f"field {names[0]} is" if len(names) == 1 else f"fields {', '.join(names)} are"
        super().__init__(f"{table or title}: the {text} missing.")


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """Return the annotations of a dataclass's fields, in order."""
    annotations = get_type_hints(cls, include_extras=True)
    return {field.name: annotations[field.name] for field in dataclasses.fields(cls)}


@functools.cache
def keys(cls: type) -> dict[str, str]:
    """Return the attribute of each field by its key in a table, without a final underscore: the
    key of ``from_`` is ``from``, a keyword of Python.
    """
    return {name.rstrip("_"): name for name in hints(cls)}


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the origin and the arguments of an annotation; ``typing`` looks them up slowly."""
    return get_origin(hint), get_args(hint)


def can_check(hint: Any) -> bool:
    """Return True if :func:`coerce` converts to a type: numbers, texts, schedules, and lists."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return can_check(args[0])
    if origin in (Union, types.UnionType, tuple):
        return all(can_check(option) for option in args if option is not Ellipsis)
    return origin is Literal or hint in (bool, int, float, str, type(None)) or is_readable(hint)


def coerce(hint: Any, value: Any, path: str, expand: Expand | None = None) -> Any:
    """Return ``value`` converted to ``hint``, or raise a :class:`SpecError` that names ``path``.

    Args:
        expand: called for an unknown kind, which is an error otherwise.
    """
    if type(value) is hint and hint is not float:  # checked already, or nothing to check
        return value
    origin, args = _parts(hint)
    if origin is Annotated:
        value = coerce(args[0], value, path, expand)
        for limit in args[1:]:
            ends = value.limits() if hasattr(value, "limits") else (value,)
            for end in ends if isinstance(limit, Range) else ():
                if not limit.admits(end):
                    raise SpecError(f"{path}: expected {limit}, received {shown(end)}.")
        return value
    if origin is Literal:
        literal = type(args[0])
        if isinstance(value, literal) and not isinstance(value, bool) and value in args:
            return literal(value)
        near = suggest(value, args) if isinstance(value, str) and literal is str else ""
        raise SpecError(f"{path}: expected {list_options(args)}, received {shown(value)}.{near}")
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        if len(args) == 2 and args[1] is type(None):
            return coerce(args[0], value, path, expand)
        if isinstance(value, str) and (named := next(filter(is_readable, args), None)):
            value = _read(named, value, path, describe(hint))
        if isinstance(value, dict) and (table := _closest(args, value)):
            value = decode(table, value, path, expand)
        if hasattr(value, "simplify"):
            value = value.simplify()
        for option in args:
            try:
                return coerce(option, value, path, expand)
            except SpecError:
                continue
        raise SpecError(f"{path}: expected {describe(hint)}, received {shown(value)}.")
    if origin is tuple:
        return _tuple(args, value, path, expand)
    if origin is dict and isinstance(value, dict):
        return _dict(args, value, path, expand)
    if hint is Any:
        return value
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if hint is float and is_number:
        return _finite(value, path)
    if hint is int and is_number and isinstance(value, Integral):
        return int(value)
    if hint is str and isinstance(value, str):
        return str(value)
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value
        if isinstance(value, dict):
            return decode(hint, value, path, expand)
    raise SpecError(f"{path}: expected {describe(hint)}, received {shown(value)}.")


def _read(named: Any, text: str, path: str, expected: str) -> dict[str, Any]:
    """Return the table of a family member that is written as text."""
    try:
        table: dict[str, Any] = named.read(text)
    except ValueError:
        raise SpecError(
            f"{path}: expected {expected}, like {named.example}; received {shown(text)}."
        ) from None
    return table


def decode(cls: Any, data: dict[str, Any], path: str = "", expand: Expand | None = None) -> Any:
    """Build a spec dataclass from plain data.

    Args:
        expand: see :func:`coerce`.

    Raises:
        SpecError: an unknown or missing field, or a value of the wrong type or range; the
            message names the path.
    """
    if (tagged := family(cls)) is None:
        return _built(cls, data, path, expand)
    members = _members(tagged, data, path, expand)
    if len(members) != 1:
        raise SpecError(
            f"{path}: {shown(data[getattr(tagged, 'tag', 'kind')])} makes {len(members)} layers, "
            "and one fits here."
        )
    return members[0]


def _members(
    tagged: type, data: dict[str, Any], path: str, expand: Expand | None
) -> tuple[Any, ...]:
    """Return the member of a family that a table describes, or those that it expands to."""
    _refuse_deep(path)
    tag = getattr(tagged, "tag", "kind")
    if tag not in data:
        raise MissingFields([f"{path}.{tag}" if path else tag], "the spec")
    data = dict(data)
    kind = data.pop(tag)
    if isinstance(kind, str) and kind in KINDS[tagged]:
        return (_built(KINDS[tagged][kind], data, path, expand),)
    if isinstance(kind, str) and expand is not None:
        return expand(tagged, kind, data, path)
    raise unknown_kind(tagged, kind, path)


def unknown_kind(tagged: type, kind: Any, path: str, more: Iterable[str] = ()) -> SpecError:
    """Return the error for a kind that a family does not have.

    Args:
        more: further kinds that the caller knows.
    """
    near = suggest(kind, {*KINDS[tagged], *more}) if isinstance(kind, str) else ""
    word = tagged.__name__.lower()
    return SpecError(f"{path or 'the spec'}: no {word} is of kind {shown(kind)}.{near}")


def _refuse_deep(path: str) -> None:
    if path.count(".") > DEEPEST:
        raise SpecError(f"{path:.60}…: it is nested too deeply.")


def _built(cls: Any, data: dict[str, Any], path: str, expand: Expand | None) -> Any:
    """Build one dataclass from its fields."""
    _refuse_deep(path)
    where = path or getattr(cls, "_title", "the spec")
    attributes, types_by_name = keys(cls), hints(cls)
    for name in data:
        if name not in attributes:
            near = suggest(str(name), attributes)
            raise SpecError(f"{where}: unknown field {shown(name)}.{near}")
    prefix = f"{path}." if path else ""
    fields = zip(attributes, dataclasses.fields(cls), strict=True)
    missing = [
        f"{prefix}{key}"
        for key, field in fields  # both defaults are MISSING without one
        if key not in data and field.default is field.default_factory
    ]
    values: dict[str, Any] = {}
    errors: list[SpecError] = []
    for key in data:
        name = attributes[key]
        try:
            values[name] = coerce(types_by_name[name], data[key], f"{prefix}{key}", expand)
        except MissingFields as error:
            missing += error.paths
        except SpecError as error:
            errors.append(error)
    if missing:
        raise MissingFields(missing, where)
    if errors:
        raise errors[0]
    try:
        return cls(**values)
    except InvalidValue as error:
        raise SpecError(f"{where}: {error}") from None


def encode(value: Any, *, defaults: bool = True) -> Any:
    """Return the plain data (dicts, lists, numbers, strings) of a spec dataclass.

    Args:
        defaults: include fields that have their default value.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = getattr(type(value), "kind", None)
        data = {getattr(type(value), "tag", "kind"): kind} if isinstance(kind, str) else {}
        left_out = {} if defaults else {f.name: f.default for f in dataclasses.fields(value)}
        for key, name in keys(type(value)).items():
            held = getattr(value, name)
            if held is not None and (name not in left_out or held != left_out[name]):
                data[key] = encode(held, defaults=defaults)
        return data
    if isinstance(value, tuple):
        return [encode(item, defaults=defaults) for item in value]
    if isinstance(value, dict):
        return {name: encode(item, defaults=defaults) for name, item in value.items()}
    return value


def _closest(options: tuple[Any, ...], data: dict[str, Any]) -> Any:
    """Return the first dataclass among ``options`` that shares the most fields with a table."""
    tables = [option for option in options if dataclasses.is_dataclass(option)]
    return max(tables, key=lambda table: len(hints(table).keys() & data), default=None)  # type: ignore[arg-type]


def _tuple(args: tuple[Any, ...], value: Any, path: str, expand: Expand | None) -> tuple[Any, ...]:
    many = len(args) == 2 and args[1] is Ellipsis
    if not isinstance(value, bool) and isinstance(value, Integral) and not many and len(args) == 2:
        value = (value, value)  # kernel = 4 means (4, 4)
    if not isinstance(value, list | tuple) or not (many or len(value) == len(args)):
        raise SpecError(
            f"{path}: expected {describe(tuple.__class_getitem__(args))}, received {shown(value)}."
        )
    items = args[:1] * len(value) if many else args
    members: list[Any] = []
    missing: list[str] = []
    for index, (hint, item) in enumerate(zip(items, value, strict=True)):
        place = f"{path}[{_label(index, item)}]"
        try:
            if many and isinstance(item, dict) and (tagged := family(hint)) is not None:
                members += _members(tagged, item, place, expand)
            else:
                members.append(coerce(hint, item, place, expand))
        except MissingFields as error:
            missing += error.paths
    if missing:
        raise MissingFields(missing, "the spec")
    return tuple(members)


def _dict(args: tuple[Any, ...], value: Any, path: str, expand: Expand | None) -> dict[Any, Any]:
    key_hint, value_hint = args
    return {
        coerce(key_hint, key, f"{path}: name"): coerce(value_hint, item, f"{path}.{key}", expand)
        for key, item in value.items()
    }


def _label(index: int, item: Any) -> str:
    """Return a label for an element of a list: its name or kind if printable, else its index."""
    name, kind = (item.get("name"), item.get("kind")) if isinstance(item, dict) else (None, None)
    if isinstance(name, str) and name.isidentifier() and len(name) <= 40:
        return name
    if isinstance(kind, str) and len(kind) <= 40 and re.fullmatch(r"(\w[\w-]*/)?\w[\w-]*", kind):
        return f"{index}: {kind}"
    return str(index)


def _finite(value: Real, path: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        number = math.inf
    if not math.isfinite(number):
        raise SpecError(f"{path}: expected a finite number, received {shown(value)}.")
    return number + 0.0  # turns -0.0 into 0.0
