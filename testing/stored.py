"""The stored references: which arrays each case has, by name, and the file that they lie in."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from gandem.core.specs import NetworkPlan
from gandem.core.training import Derivatives

__all__ = [
    "OPERATIONS",
    "STEPS",
    "array_names",
    "flatten",
    "forget",
    "operations",
    "pack",
    "reference_of",
    "step_reference",
    "steps",
]

OPERATIONS = "references/operations.npz"
STEPS = "references/steps.npz"


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
    return _read(OPERATIONS)


@functools.cache
def steps() -> Mapping[str, np.ndarray]:
    """Return every stored array of the walks (P2, P3), by ``walk: moment: array``."""
    return _read(STEPS)


def forget() -> None:
    """Read the files anew when they are next asked for."""
    for read in (operations, steps, _operations_by_case):
        read.cache_clear()


def _read(path: str) -> dict[str, np.ndarray]:
    with (files("gandem.testing") / path).open("rb") as file, np.load(file) as stored:
        return dict(stored)


def step_reference(walk: str, moment: str, like: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what is stored of a walk at one moment: ``"after 20"``, ``"one step from 7"``.

    The file holds one vector a moment; ``like``, an outcome of the same walk, says how it divides.
    """
    vector = steps()[f"{walk}: {moment}"]
    sizes = [np.size(value) for value in like.values()]
    if sum(sizes) != len(vector):
        raise ValueError(f"{walk}: {moment}: {len(vector)} numbers are stored, {sum(sizes)} came.")
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return {k: part.reshape(np.shape(v)) for (k, v), part in zip(like.items(), parts, strict=True)}


def pack(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return arrays end to end."""
    return np.concatenate([np.ravel(value) for value in arrays.values()])


def reference_of(case: str) -> dict[str, np.ndarray]:
    """Return the stored arrays of one case, by name."""
    return dict(_operations_by_case().get(case, {}))


@functools.cache
def _operations_by_case() -> Mapping[str, Mapping[str, np.ndarray]]:
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, value in operations().items():
        case, _, array = name.rpartition(": ")
        found.setdefault(case, {})[array] = value
    return found
