"""Diversity: how far apart generated samples are, beside real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.metrics.distances import SLACK, middle_of, squared_distances
from gandem.metrics.validation import as_pair

__all__ = ["Diversity", "diversity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """Mean distances between samples of one kind.

    Attributes:
        fake: between generated samples, in the unit of a feature, 0 upwards; real: likewise.
        ratio: the first as a share of the second, 1 where both are as varied; None where all real
            samples are the same.
    """

    fake: float
    real: float
    ratio: float | None


def diversity(fake: np.ndarray, real: np.ndarray) -> Diversity:
    r"""Return the mean distance over all pairs of generated samples, and over those of real ones.

    .. math:: \frac{2}{N (N - 1)} \sum_{i < j} \lVert x_i - x_j \rVert

    0 for a generator that makes one sample, whatever the noise.  A generator that makes a few very
    different ones is not caught: see recall and coverage.  Noise passes for diversity.

    Args:
        fake: (N, D), two samples or more; real: (M, D) likewise.

    Raises:
        DataError: features that cannot be compared, or a single sample.

    >>> found = diversity(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0], [4.0]]))
    >>> round(found.ratio, 9)
    0.375
    """
    fake, real = as_pair(fake, real, least=2)
    made, there = _mean_distance(fake), _mean_distance(real)
    return Diversity(fake=made, real=there, ratio=made / there if there > 0 else None)


def _mean_distance(samples: np.ndarray) -> float:
    total = 0.0
    for _, apart in squared_distances(samples, samples, middle_of(samples), SLACK):
        total += float(np.sqrt(apart, out=apart).sum())  # 0 to itself, for the slack
    return total / (len(samples) * (len(samples) - 1))
