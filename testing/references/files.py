"""The files of the stored references."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files

import numpy as np

OPERATIONS = "operations.npz"
STEPS = "steps.npz"


@functools.cache
def load_operations() -> Mapping[str, np.ndarray]:
    """Return every stored array of the operations (P1), by ``case: array``."""
    return _read(OPERATIONS)


@functools.cache
def load_steps() -> Mapping[str, np.ndarray]:
    """Return every stored array of the trajectories (P2, P3), by ``trajectory: moment``."""
    return _read(STEPS)


def clear_cache() -> None:
    """Read the files again on next use."""
    for load in (load_operations, load_steps, _group_by_case):
        load.cache_clear()


def _read(name: str) -> dict[str, np.ndarray]:
    with (files(__package__) / name).open("rb") as file, np.load(file) as stored:
        return dict(stored)


def load_reference(case: str) -> dict[str, np.ndarray]:
    """Return the stored arrays of one case, by name."""
    return dict(_group_by_case().get(case, {}))


@functools.cache
def _group_by_case() -> Mapping[str, Mapping[str, np.ndarray]]:
    cases: dict[str, dict[str, np.ndarray]] = {}
    for name, value in load_operations().items():
        case, _, array = name.rpartition(": ")
        cases.setdefault(case, {})[array] = value
    return cases


def load_step_reference(
    trajectory: str, moment: str, like: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the stored arrays of a trajectory at a moment: ``"after 20"``, ``"one step from 7"``.

    The file has one vector per moment; ``like``, arrays of the same trajectory, gives names and
    shapes. The result is empty if nothing is stored.
    """
    vector = load_steps().get(f"{trajectory}: {moment}")
    if vector is None:
        return {}
    sizes = [np.size(value) for value in like.values()]
    if sum(sizes) != len(vector):
        raise ValueError(
            f"{trajectory}: {moment}: {len(vector)} numbers are stored, received {sum(sizes)}."
        )
    parts = np.split(vector, np.cumsum(sizes)[:-1])
    return {k: part.reshape(np.shape(v)) for (k, v), part in zip(like.items(), parts, strict=True)}


def pack(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return arrays as one vector."""
    return np.concatenate([np.ravel(value) for value in arrays.values()])
