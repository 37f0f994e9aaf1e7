"""Diversity: mean distances between generated samples, compared with real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.metrics.distances import SLACK, center, squared_distances
from gandem.metrics.validation import as_pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """Mean distances between samples of the same kind.

    Attributes:
        fake: mean distance of generated samples in the unit of a feature; real: of real samples.
        ratio: fake / real, 1 for equal diversity; None if all real samples are equal.
    """

    fake: float
    real: float
    ratio: float | None


def diversity(fake: np.ndarray, real: np.ndarray) -> Diversity:
    r"""Return the mean distance of all pairs of generated samples, and of real samples.

    .. math:: \frac{2}{N (N - 1)} \sum_{i < j} \lVert x_i - x_j \rVert

    It is 0 if the generator ignores the noise. It does not detect a generator with a few very
    different samples (see recall and coverage), and it counts noise in the samples as diversity.

    Args:
        fake: (N, D), at least two samples; real: (M, D), the same.

    Raises:
        DataError: the features cannot be compared, or there is a single sample.

    >>> result = diversity(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0], [4.0]]))
    >>> round(result.ratio, 9)
    0.375
    """
    fake, real = as_pair(fake, real, least=2)
    fakes, reals = _mean_distance(fake), _mean_distance(real)
    return Diversity(fake=fakes, real=reals, ratio=fakes / reals if reals > 0 else None)


def _mean_distance(samples: np.ndarray) -> float:
    total = 0.0
    for _, distances in squared_distances(samples, samples, center(samples), SLACK):
        total += float(np.sqrt(distances, out=distances).sum())  # the slack makes the diagonal 0
    return total / (len(samples) * (len(samples) - 1))
