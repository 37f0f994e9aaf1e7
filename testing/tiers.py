"""What the tests of the suite are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["TIERS", "tier"]

TIERS: Mapping[str, str] = {
    "form": "what a backend is",
    "P1": "operations",
    "P2": "one step",
    "P3": "many steps",
    "P5": "a state handed over",
}
"""The tiers of ``docs/parity.md`` that the suite measures, in words."""

Test = TypeVar("Test", bound=Callable[..., Any])


def tier(name: str, *takes: str) -> Callable[[Test], Test]:
    """Say of a test which tier it measures, and which capabilities it takes beside its case's."""

    def say(test: Test) -> Test:
        test.tier, test.takes = name, takes  # type: ignore[attr-defined]
        return test

    return say
