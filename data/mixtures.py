"""Mixtures of normal distributions in the plane, which make mode collapse visible."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError
from gandem.core.rng import Purpose, part_of, stream

COUNT = 10_000
"""Points of a data set, in equal numbers per component."""
RING = np.array([(np.cos(turn), np.sin(turn)) for turn in 2 * np.pi * np.arange(8) / 8]) * 2.0
"""(8, 2) means, on a circle of radius 2."""
GRID = np.array(list(itertools.product((-4.0, -2.0, 0.0, 2.0, 4.0), repeat=2)))
"""(25, 2) means, 2 apart."""


def load_ring(argument: str, data_dir: Path | None) -> Dataset:
    """Return points of eight normal distributions on a circle, labeled by component.

    Radius 2, standard deviation 0.02 (Metz et al. 2017, arXiv:1611.02163, appendix).

    Raises:
        DataError: there is an argument.
    """
    return _mixture("ring", argument, RING, 0.02)


def load_grid(argument: str, data_dir: Path | None) -> Dataset:
    """Return points of 25 normal distributions on a square grid, labeled by component.

    From -4 to 4, standard deviation 0.05 (Dumoulin et al. 2017, arXiv:1606.00704; Lin et al. 2018,
    arXiv:1712.04086).

    Raises:
        DataError: there is an argument.
    """
    return _mixture("grid", argument, GRID, 0.05)


def _mixture(name: str, argument: str, means: np.ndarray, deviation: float) -> Dataset:
    if argument:
        raise DataError(f"{name}: it takes no argument, received {argument!r}. Use --data {name}.")
    labels = np.arange(COUNT) % len(means)
    drawn = stream(0, Purpose.DATA, part=part_of(name)).normal(size=(COUNT, 2))
    points = means[labels] + deviation * drawn
    return Dataset(
        name=name,
        images=points.astype(np.float32),
        labels=labels,
        class_names=tuple(f"({x:g}, {y:g})" for x, y in means.round(1) + 0.0),
        source=f"{len(means)} normal distributions, standard deviation {deviation:g}",
        license="none needed",
    )
