"""Tables and counts as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def format_table(rows: Iterable[tuple[Any, ...]], *, right: bool = False) -> str:
    """Return rows as text in columns, two spaces apart.

    Args:
        right: align the columns to the right.

    >>> print(format_table([("dcgan", 1), ("cgan", 12)]))
      dcgan  1
      cgan   12
    """
    cells = [tuple(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    align: Callable[[str, int], str] = str.rjust if right else str.ljust
    lines = ("  ".join(align(c, w) for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(f"  {line}".rstrip() for line in lines)
