"""Precision, recall, density and coverage: fidelity and variety, told apart by neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.metrics.distances import SLACK, distances_to_others, middle_of, squared_distances
from gandem.metrics.validation import as_pair, at_least

__all__ = ["PrecisionRecall", "precision_recall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRecall:
    """Four numbers; more is better in all but density, which is about 1 for equal distributions.

    Attributes:
        precision: of generated samples that lie where real ones do, 0 to 1.
        recall: of real samples that lie where generated ones do, 0 to 1.
        density: like precision, but counts how many real neighborhoods a generated sample lies in,
            so that a lone outlier among the real samples does not help; 0 upwards, near 1 where
            both distributions are one.
        coverage: of real samples that have a generated one in their neighborhood, 0 to 1.
        k: which neighbor bounds a neighborhood.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int


def precision_recall(fake: np.ndarray, real: np.ndarray, *, k: int = 5) -> PrecisionRecall:
    r"""Return how much of the fakes is real, and how much of the real ones is made.

    With :math:`B(x)` the ball around a sample which reaches to the k-th nearest of its own kind:

    .. math::
        \text{precision} &= \frac1N \sum_j 1\bigl[ f_j \in \textstyle\bigcup_i B(r_i) \bigr] &
        \text{recall} &= \frac1M \sum_i 1\bigl[ r_i \in \textstyle\bigcup_j B(f_j) \bigr] \\
        \text{density} &= \frac{1}{k N} \sum_j \sum_i 1[ f_j \in B(r_i) ] &
        \text{coverage} &= \frac1M \sum_i 1\bigl[ \exists j: f_j \in B(r_i) \bigr]

    Balls are closed, as in the first paper; the second one's code has them open, which makes a
    difference only where distances are equal.  Of copies of the real samples all are 1 but density,
    (k + 1) / k.  For equal distributions coverage is expected to be
    :math:`1 - \frac{(M-1) \cdots (M-k)}{(M+N-1) \cdots (M+N-k)}`, 0.969 for k = 5 and many samples,
    as many of both.

    Time grows with the square of the samples; memory does not.

    Args:
        fake: (N, D), more than ``k`` samples; real: (M, D) likewise.
        k: at least 1.

    Raises:
        DataError: features that cannot be compared, or too few samples for ``k``.

    Reference: Kynkäänniemi et al. 2019, equations 1 and 2, arXiv:1904.06991; Naeem et al. 2020,
    section 3, arXiv:2002.09797.

    >>> line = np.arange(10.0)[:, None]
    >>> precision_recall(line[:5] + 0.25, line, k=2)
    PrecisionRecall(precision=1.0, recall=0.7, density=1.1, coverage=0.6, k=2)
    """
    at_least("k", k, 1)
    fake, real = as_pair(fake, real, least=k + 1)
    around_real, around_fake = distances_to_others(real, k), distances_to_others(fake, k)
    balls = np.zeros(len(fake), np.int64)  # of real samples, around each fake
    recalled = covered = 0
    for part, apart in squared_distances(real, fake, middle_of(real), SLACK):
        inside = apart <= around_real[part, None]  # (n, N)
        balls += np.count_nonzero(inside, axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((apart <= around_fake).any(axis=1).sum())
    return PrecisionRecall(
        precision=int((balls > 0).sum()) / len(fake),
        recall=recalled / len(real),
        density=int(balls.sum()) / (k * len(fake)),
        coverage=covered / len(real),
        k=int(k),
    )
