"""JSON and TOML from files that third parties may have written, and JSON that any reader accepts.

JSON has no NaN and no infinity; Python's parser and writer have both.
"""

from __future__ import annotations

import json
import math
import tomllib
from typing import Any

MAX_DEPTH = 100
"""Levels of lists and tables; a spec with nested blocks has up to 70."""
MAX_BITS = 1000
"""Bits of an integer; the largest float has 1,024."""
MAX_REASON = 160
"""Characters of a parser's message that are passed on."""


def parse_json(text: str | bytes, max_depth: int = MAX_DEPTH, *, strict: bool = True) -> Any:
    """Return the data of a JSON text.

    Args:
        strict: refuse numbers that are not finite or do not fit into a float, and lone surrogates.

    Raises:
        ValueError: it is not JSON, or is nested more deeply than ``max_depth``; the message fits
            into a line.
    """
    return _parse(json.loads, text, max_depth, strict)


def parse_toml(text: str, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return the data of a TOML text; raise errors as :func:`parse_json`, but accept any number."""
    data: dict[str, Any] = _parse(tomllib.loads, text, max_depth, strict=False)
    return data


def finite(data: Any) -> Any:
    """Return plain data with None for each number that is not finite.

    >>> finite({"loss": float("nan"), "steps": [1, 2.5]})
    {'loss': None, 'steps': [1, 2.5]}
    """
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(finite, data))
    return None if isinstance(data, float) and not math.isfinite(data) else data


def is_number(value: object) -> bool:
    """Return True for an int or a float, finite or not; False for a Boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse(parse: Any, text: str | bytes, max_depth: int, strict: bool) -> Any:
    try:
        data = parse(text)
        _check(data, max_depth, strict)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeError:
        raise ValueError("it is not valid UTF-8") from None
    except ValueError as error:  # a syntax error, or a number of too many digits
        reason = " ".join(str(error).split())
        raise ValueError(reason[:MAX_REASON] + "…" * (len(reason) > MAX_REASON)) from None
    return data


def _check(data: Any, depth: int, strict: bool) -> None:
    """Check the numbers, the characters and the depth of data."""
    if isinstance(data, str):
        if strict and not data.isascii():
            data.encode()  # a lone surrogate raises an error
    elif isinstance(data, int):
        if strict and data.bit_length() > MAX_BITS:
            raise ValueError("it has a number of too many digits")
    elif isinstance(data, float):
        if strict and not math.isfinite(data):
            raise ValueError(f"expected finite numbers, received {json.dumps(data)}")
    elif isinstance(data, dict | list):
        if depth < 0:
            raise ValueError("it is nested too deeply")
        for value in (*data, *data.values()) if isinstance(data, dict) else data:
            _check(value, depth - 1, strict)
