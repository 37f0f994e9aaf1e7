"""The nearest training samples of generated ones: whether a generator makes or remembers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.metrics.distances import distances_to_others, nearest
from gandem.metrics.validation import as_features, as_pair

__all__ = ["Neighbors", "nearest_training"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbors:
    """What is nearest to each generated sample among those it was trained on.

    Attributes:
        indices: of the nearest real sample, int64 (N,).
        distances: to it, float64 (N,), 0 for a copy.
        memorised: the share of generated samples that are no farther from it than it is from the
            nearest other real sample, 0 to 1; less is better, down to what a held-out set has.
    """

    indices: np.ndarray
    distances: np.ndarray
    memorised: float


def nearest_training(fake: np.ndarray, real: np.ndarray) -> Neighbors:
    r"""Return the nearest training sample of each generated one, and how many are too near.

    .. math::
        \text{memorised} = \frac1N \sum_j 1\bigl[
            \lVert f_j - r_{i(j)} \rVert \le \min_{l \ne i(j)} \lVert r_{i(j)} - r_l \rVert \bigr],
        \qquad i(j) = \arg\min_i \lVert f_j - r_i \rVert

    1 minus the paper's authenticity.  Copies have 1.  Samples which the training never saw do not
    have 0: score a held-out set in place of the fakes to know what independence gives, and take
    only what is well above for memory.  It looks for near copies in the features given; a shifted
    or mirrored copy is one only where the features do not see the difference.

    Args:
        fake: (N, D); real: what it was trained on, (M, D), two samples or more.

    Raises:
        DataError: features that cannot be compared, or a single real sample.

    Reference: Alaa et al. 2022, authenticity, arXiv:2102.08921.

    >>> found = nearest_training(np.array([[0.0], [4.0]]), np.array([[0.0], [1.0], [2.0]]))
    >>> found.indices, found.distances, found.memorised
    (array([0, 2]), array([0., 2.]), 0.5)
    """
    fake, real = as_pair(fake, as_features(real, "real", least=2))
    indices, distances = nearest(fake, real)
    hit, which = np.unique(indices, return_inverse=True)
    apart = np.sqrt(distances_to_others(real, 1, hit))[which]  # (N,)
    return Neighbors(
        indices=indices, distances=distances, memorised=float((distances <= apart).mean())
    )
