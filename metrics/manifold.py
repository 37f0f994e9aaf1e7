"""Precision, recall, density and coverage, from nearest neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.metrics.distances import SLACK, center, distances_to_others, squared_distances
from gandem.metrics.validation import as_pair, check_at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecall:
    """Fidelity and variety of samples; higher is better, except for density.

    Attributes:
        precision: share of generated samples within a real neighborhood, 0 to 1.
        recall: share of real samples within a generated neighborhood, 0 to 1.
        density: number of real neighborhoods around a generated sample, over k; robust to real
            outliers; at least 0, near 1 for equal distributions.
        coverage: share of real samples with a generated sample in their neighborhood, 0 to 1.
        k: the neighbor that bounds a neighborhood.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int


def precision_recall(fake: np.ndarray, real: np.ndarray, *, k: int = 5) -> PrecisionRecall:
    r"""Return precision, recall, density and coverage.

    With :math:`B(x)` the ball around a sample up to the k-th nearest of its own kind:

    .. math::
        \text{precision} &= \frac1N \sum_j 1\bigl[ f_j \in \textstyle\bigcup_i B(r_i) \bigr] &
        \text{recall} &= \frac1M \sum_i 1\bigl[ r_i \in \textstyle\bigcup_j B(f_j) \bigr] \\
        \text{density} &= \frac{1}{k N} \sum_j \sum_i 1[ f_j \in B(r_i) ] &
        \text{coverage} &= \frac1M \sum_i 1\bigl[ \exists j: f_j \in B(r_i) \bigr]

    Balls are closed, as in the first paper; the code of the second has open balls, which differ
    only for equal distances. For copies of the real samples all values are 1, except density with
    (k + 1) / k. For equal distributions the expected coverage is
    :math:`1 - \frac{(M-1) \cdots (M-k)}{(M+N-1) \cdots (M+N-k)}`, 0.969 for k = 5 and many samples,
    equal numbers of both.

    Time is quadratic in the number of samples; memory is not.

    Args:
        fake: (N, D), more than ``k`` samples; real: (M, D), the same.
        k: at least 1.

    Raises:
        DataError: the features cannot be compared, or are too few for ``k``.

    Reference: Kynkäänniemi et al. 2019, equations 1 and 2, arXiv:1904.06991; Naeem et al. 2020,
    section 3, arXiv:2002.09797.

    >>> line = np.arange(10.0)[:, None]
    >>> precision_recall(line[:5] + 0.25, line, k=2)
    PrecisionRecall(precision=1.0, recall=0.7, density=1.1, coverage=0.6, k=2)
    """
    check_at_least("k", k, 1)
    fake, real = as_pair(fake, real, least=k + 1)
    real_radii, fake_radii = distances_to_others(real, k), distances_to_others(fake, k)
    balls = np.zeros(len(fake), np.int64)  # real balls around each generated sample
    recalled = covered = 0
    for part, distances in squared_distances(real, fake, center(real), SLACK):
        inside = distances <= real_radii[part, None]  # (n, N)
        balls += np.count_nonzero(inside, axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((distances <= fake_radii).any(axis=1).sum())
    return PrecisionRecall(
        precision=int((balls > 0).sum()) / len(fake),
        recall=recalled / len(real),
        density=int(balls.sum()) / (k * len(fake)),
        coverage=covered / len(real),
        k=int(k),
    )
