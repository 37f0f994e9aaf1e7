"""The stored references: which arrays each case has, by name, and the file that they lie in."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from gandem.core.spec import NetworkPlan
from gandem.core.training import Derivatives

__all__ = ["OPERATIONS", "array_names", "flatten", "operations", "reference_of"]

OPERATIONS = "references/operations.npz"


def flatten(derivatives: Derivatives) -> dict[str, np.ndarray]:
    """Return what was measured under names such as ``second/network/dense/kernel``."""
    found = {"value": derivatives.value}
    for part in ("first", "second", "statistics"):
        found |= {f"{part}/{name}": value for name, value in getattr(derivatives, part).items()}
    return found


def array_names(plan: NetworkPlan) -> list[str]:
    """Return the names that :func:`flatten` must give for a plan: no more, no fewer."""
    by = [*plan.inputs, *(p.name for p in plan.parameters())]
    return [
        "value",
        *(f"{order}/{name}" for order in ("first", "second") for name in by),
        *(f"statistics/{p.name}" for p in plan.statistics()),
    ]


@functools.cache
def operations() -> Mapping[str, np.ndarray]:
    """Return every stored array of the P1 cases, by ``case: array``."""
    with (files("gandem.testing") / OPERATIONS).open("rb") as file, np.load(file) as stored:
        return dict(stored)


def reference_of(case: str) -> dict[str, np.ndarray]:
    """Return the stored arrays of one case, by name."""
    start = f"{case}: "
    return {k.removeprefix(start): v for k, v in operations().items() if k.startswith(start)}
