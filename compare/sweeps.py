"""Sweeps: the settings of a comparison, from fields of the spec and their values.

The command writes ``latent=16,64``, Python ``{"latent": [16, 64]}``. Fields joined by ``:`` change
together: ``latent:width=16:32,64:64``.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gandem.core.errors import SpecError, shown
from gandem.core.specs import parse_setting

DEFAULT_NAME = "default"
"""The name of the setting without changes."""
MAX_SETTINGS = 10_000


@dataclass(frozen=True, slots=True)
class Setting:
    """Changes of a spec, each as ``--set`` takes it: ``("latent=32",)``."""

    texts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The changes as one text."""
        return ", ".join(self.texts) or DEFAULT_NAME

    @property
    def changes(self) -> dict[str, Any]:
        """The values by path."""
        return dict(map(parse_setting, self.texts))


def format_changes(changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return changes as ``--set`` takes them.

    >>> format_changes({"width": 16, "hidden": [8, 8], "loss": {"name": "hinge"}, "name": "a b"})
    ('width=16', 'hidden=[8,8]', 'loss={name="hinge"}', 'name="a b"')
    """
    return tuple(f"{path}={_format_value(value)}" for path, value in changes.items())


def parse_sweeps(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Return the values of each ``FIELD=A,B,C``, by field.

    Commas and colons within brackets or quotes belong to a value.

    >>> parse_sweeps(["latent=16,64", "hidden=[1,2],[3]"])
    {'latent': [16, 64], 'hidden': [[1, 2], [3]]}
    >>> parse_sweeps(["latent:width=16:32,64:64"])
    {'latent:width': [[16, 32], [64, 64]]}

    Raises:
        SpecError: there is no field or no value, or a field occurs twice.
    """
    sweeps: dict[str, list[Any]] = {}
    for text in texts:
        path, equals, values = text.partition("=")
        path, parts = path.strip(), [part.strip() for part in _split(values, ",")]
        if not (equals and all(map(str.strip, path.split(":"))) and all(parts)):
            raise SpecError(f"sweep: expected FIELD=A,B,C, received {shown(text)}.")
        if path in sweeps:
            raise SpecError(f"sweep: {path} occurs twice; give all its values at once.")
        is_paired = ":" in path
        sweeps[path] = [
            [_parse_value(item) for item in _split(part, ":")] if is_paired else _parse_value(part)
            for part in parts
        ]
    return sweeps


def make_settings(
    sweeps: Mapping[str, Sequence[Any]], changes: Mapping[str, Any] | None = None
) -> tuple[Setting, ...]:
    """Return all combinations of the values of several sweeps.

    Args:
        sweeps: values by field; for fields joined by ``:``, lists of a value for each.
        changes: the changes of all specs; a swept field must not be among them.

    Raises:
        SpecError: a field or a value occurs twice, or fields that change together have different
            numbers of values.
    """
    columns, fields = [], list(changes or {})
    for key, values in sweeps.items():
        paths = [path.strip() for path in key.split(":")]
        for path in paths:
            if path in (changes or {}):
                raise SpecError(f"sweep: {path} is set with --set too; omit one of them.")
            if path in fields:
                raise SpecError(f"sweep: {path} occurs twice; give all its values at once.")
            fields.append(path)
        column = [format_changes(_assign(paths, value)) for value in values]
        if len(set(column)) < len(column):
            raise SpecError(f"sweep: a value of {key} occurs twice.")
        if not column:
            raise SpecError(f"sweep: {key} has no values.")
        columns.append(column)
    count = 1
    for column in columns:
        count *= len(column)
    if count > MAX_SETTINGS:
        raise SpecError(f"sweep: expected at most {MAX_SETTINGS:,} settings, received {count:,}.")
    return tuple(Setting(tuple(itertools.chain(*texts))) for texts in itertools.product(*columns))


def format_sweeps(settings: Sequence[Setting]) -> list[str]:
    """Return sweeps that make these settings, as ``--sweep`` takes them."""
    rows = [dict(text.split("=", 1) for text in setting.texts) for setting in settings]
    fields = list(rows[0])
    values = {field: list(dict.fromkeys(row[field] for row in rows)) for field in fields}
    combined = [dict(zip(fields, of, strict=True)) for of in itertools.product(*values.values())]
    if rows == combined:
        return [f"{field}={','.join(of)}" for field, of in values.items()]
    return [f"{':'.join(fields)}={','.join(':'.join(row.values()) for row in rows)}"]


def _assign(paths: Sequence[str], value: Any) -> dict[str, Any]:
    if len(paths) == 1:
        return {paths[0]: value}
    if not isinstance(value, list | tuple) or len(value) != len(paths):
        raise SpecError(
            f"sweep: expected a value for each of {', '.join(paths)}, like A:B, received "
            f"{shown(value)}."
        )
    return dict(zip(paths, value, strict=True))


def _parse_value(text: str) -> Any:
    return parse_setting(f"value={text}")[1] if text.strip() else text


def _format_value(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[\w./+-]+", value):
        if parse_setting(f"value={value}")[1] == value:
            return value
    return _format_toml(value)


def _format_toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            short = f"{value:g}"
            is_float = "." in short or "e" in short
            return short if is_float and float(short) == value else repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list() | tuple():
            return f"[{','.join(map(_format_toml, value))}]"
        case dict():
            items = (f"{_format_key(key)}={_format_toml(item)}" for key, item in value.items())
            return f"{{{','.join(items)}}}"
    return str(value)


def _format_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _split(text: str, separator: str) -> Iterator[str]:
    """Yield the parts of a text between separators outside of brackets and quotes."""
    depth, quote, start = 0, "", 0
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == separator and not depth:
            yield text[start:index]
            start = index + 1
    yield text[start:]
