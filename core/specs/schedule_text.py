"""Schedules as text, ``cosine(2e-4, 0, 20 epochs)``, for settings and spec files."""

from __future__ import annotations

import ast
import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

CALL = r"\b([A-Za-z][\w./-]*)\s*\("
MAX_LENGTH = 1000
"""Characters of a text; Python's parser has no limit of its own."""
Fields = Mapping[str, Sequence[str]]
"""The fields of each kind, in their order."""


def parse_call(text: str, fields: Fields) -> dict[str, Any]:
    """Return the table of a schedule that is written as a call.

    Arguments are fields in their order or by name; ``epochs`` or ``steps`` after a number is the
    unit.

    >>> parse_call("linear(1, 0, 20 epochs)", {"linear": ["from_", "to", "end", "unit"]})
    {'schedule': 'linear', 'from': 1, 'to': 0, 'end': 20, 'unit': 'epochs'}

    Raises:
        ValueError: the text is not a call.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError
    kinds = re.findall(CALL, text)
    numbers = itertools.count()
    text = re.sub(CALL, lambda _: f"kind_{next(numbers)}(", text)  # "acme/decay" is no name
    text = re.sub(r"\bfrom\s*=", "from_=", text)
    text = re.sub(r"([\d.])\s*(step|epoch)s?\b", r'\1, unit="\2s"', text)
    try:
        return _table(ast.parse(text.strip(), mode="eval").body, kinds, fields)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError from None


def format_call(schedule: Any) -> str:
    """Return a schedule as :func:`parse_call` takes it."""
    parts, has_end = [], hasattr(schedule, "end")
    for field in dataclasses.fields(schedule):
        value, name = getattr(schedule, field.name), field.name.rstrip("_")
        if value == field.default or (name == "unit" and has_end):
            continue
        word = f"{name}=" if field.default is not dataclasses.MISSING else ""
        unit = f" {schedule.unit}" if name == "end" else ""
        parts.append(f"{word}{_text(value)}{unit}")
    return f"{schedule.kind}({', '.join(parts)})"


def _table(node: ast.expr, kinds: Sequence[str], fields: Fields) -> dict[str, Any]:
    """Return the table that a call describes; the function ``kind_0`` stands for ``kinds[0]``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise ValueError
    kind = kinds[int(node.func.id.removeprefix("kind_"))]
    known = fields.get(kind) or [f"argument {i + 1}" for i in range(len(node.args))]
    if len(node.args) > len(known):
        raise ValueError
    arguments = dict(zip(known, node.args, strict=False))
    arguments |= {str(word.arg): word.value for word in node.keywords}
    values = {k.rstrip("_"): _argument(value, kinds, fields) for k, value in arguments.items()}
    return {"schedule": kind, **values}


def _argument(node: ast.expr, kinds: Sequence[str], fields: Fields) -> Any:
    if isinstance(node, ast.Call):
        return _table(node, kinds, fields)
    if isinstance(node, ast.List):
        return [_argument(item, kinds, fields) for item in node.elts]
    return ast.literal_eval(node)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return f'"{value}"' if isinstance(value, str) else str(value)
