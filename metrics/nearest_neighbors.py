"""Nearest training samples of generated ones, and memorization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.metrics.distances import distances_to_others, nearest
from gandem.metrics.validation import as_features, as_pair


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbors:
    """The nearest training sample of each generated sample.

    Attributes:
        indices: index of the nearest real sample, int64 (N,).
        distances: distance to it, float64 (N,), 0 for a copy.
        memorized: share of generated samples that are no farther from it than its nearest real
            neighbor is, 0 to 1; less is better, down to the value of a held-out set.
    """

    indices: np.ndarray
    distances: np.ndarray
    memorized: float


def nearest_training(fake: np.ndarray, real: np.ndarray) -> Neighbors:
    r"""Return the nearest training sample of each generated one, and the memorized share.

    .. math::
        \text{memorized} = \frac1N \sum_j 1\bigl[
            \lVert f_j - r_{i(j)} \rVert \le \min_{l \ne i(j)} \lVert r_{i(j)} - r_l \rVert \bigr],
        \qquad i(j) = \arg\min_i \lVert f_j - r_i \rVert

    This is 1 minus the authenticity of the paper. Copies have 1. New samples do not have 0: score
    a held-out set in place of the generated samples to get the value of independent samples, and
    treat only clearly higher values as memorization. A shifted or mirrored copy counts only if the
    features are invariant to it.

    Args:
        fake: (N, D); real: the training samples, (M, D), at least two.

    Raises:
        DataError: the features cannot be compared, or there is a single real sample.

    Reference: Alaa et al. 2022, authenticity, arXiv:2102.08921.

    >>> result = nearest_training(np.array([[0.0], [4.0]]), np.array([[0.0], [1.0], [2.0]]))
    >>> result.indices, result.distances, result.memorized
    (array([0, 2]), array([0., 2.]), 0.5)
    """
    fake, real = as_pair(fake, as_features(real, "real", least=2))
    indices, distances = nearest(fake, real)
    nearest_real, inverse = np.unique(indices, return_inverse=True)
    limits = np.sqrt(distances_to_others(real, 1, nearest_real))[inverse]  # (N,)
    return Neighbors(
        indices=indices, distances=distances, memorized=float((distances <= limits).mean())
    )
