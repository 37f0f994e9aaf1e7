"""The types of fields: numbers in a range, families of tables, and how errors name them."""

from __future__ import annotations

import math
import re
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Range:
    """The range of a field: low ≤ x ≤ high, without ends that are marked open."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def admits(self, value: float) -> bool:
        """Return True if ``value`` is in the range."""
        return (
            self.low <= value <= self.high
            and not (self.open_low and value == self.low)
            and not (self.open_high and value == self.high)
        )

    def __str__(self) -> str:
        left = f"{self.low:.10g} {'<' if self.open_low else '≤'} "
        right = f" {'<' if self.open_high else '≤'} {self.high:.10g}"
        return f"{left * (self.low > -math.inf)}a number{right * (self.high < math.inf)}"


Count = Annotated[int, Range(1, 2**31 - 1)]
"""A whole number from 1."""
Pair = tuple[Count, Count]
"""(vertical, horizontal); one number stands for both."""
Fraction = Annotated[float, Range(0, 1, open_high=True)]
"""0 ≤ x < 1."""

KINDS: dict[type, dict[str, type[Any]]] = {}
"""For each family of tagged dataclasses (layers, optimizers, initializers, schedules) its members
by kind. In a table the key of the kind is ``kind``, or the ``tag`` of the family.
"""


def family(cls: Any) -> type | None:
    """Return ``cls`` if it is a tagged family, else None."""
    return cls if isinstance(cls, type) and cls in KINDS else None


def is_readable(hint: Any) -> bool:
    """Return True for a family whose members can be written as text."""
    return family(hint) is not None and hasattr(hint, "read")


def list_options(options: tuple[Any, ...]) -> str:
    """Return the description of a choice, for errors."""
    return " or ".join(repr(option) for option in options)


def describe(hint: Any) -> str:
    """Return the description of a type, for errors."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return describe(args[0])
    if origin is Literal:
        return list_options(args)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(option) for option in args)
    if origin is dict:
        return "a table"
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return "a list of " + re.sub("^a ([a-z]+ ?[a-z]+)", r"\1s", describe(args[0]))
        return f"[{', '.join(describe(a) for a in args)}]"
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words[type(None)] = "nothing"
    if is_readable(hint):
        return f"a {hint.__name__.lower()}"
    return words.get(hint, f"a table ({hint.__name__})" if isinstance(hint, type) else str(hint))
