"""The Inception score, from class probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.errors import DataError
from gandem.core.rng import Purpose, part_of, stream
from gandem.metrics.validation import as_features, check_at_least

TOLERANCE = 1e-3
"""Tolerance of the sum of probabilities: a softmax in float16 over a thousand classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionScore:
    """The Inception score of equal parts of the samples.

    Attributes:
        mean: mean over the parts, 1 to K.
        deviation: standard deviation over the parts; 0 for a single one.
        splits: number of parts.
    """

    mean: float
    deviation: float
    splits: int


def inception_score(
    probabilities: np.ndarray, *, splits: int = 10, seed: int = 0
) -> InceptionScore:
    r"""Return the Inception score, an effective number of classes.

    .. math:: \exp \mathbb{E}_x \operatorname{KL}\bigl( p(y \mid x) \Vert p(y) \bigr)

    Samples are shuffled and split into equal parts; :math:`p(y)` is the mean of each part. The
    score is 1 if the classifier predicts the same for all samples, and K if every prediction is
    certain and the classes are balanced. It ignores real samples and variety within a class, and
    small parts lower it. Compare scores only for the same classifier and size of the parts.

    Args:
        probabilities: :math:`p(y \mid x)`, (N, K), rows that sum to 1.
        splits: number of parts, at most N.
        seed: seed of the shuffle.

    Raises:
        DataError: the rows are not probabilities, or fewer than the splits.

    Reference: Salimans et al. 2016, section 4, arXiv:1606.03498; for its limits Barratt and Sharma
    2018, arXiv:1801.01973.

    >>> inception_score(np.eye(4), splits=1)
    InceptionScore(mean=4.0, deviation=0.0, splits=1)
    """
    check_at_least("splits", splits, 1)
    given = as_features(probabilities, "probabilities", least=splits).astype(np.float64)
    sums = given.sum(axis=1, keepdims=True)
    if given.min() < 0 or np.abs(sums - 1).max() > TOLERANCE:
        raise DataError(
            "probabilities: expected rows of at least 0 that sum to 1, received values from "
            f"{given.min():.4g} and sums from {sums.min():.4g} to {sums.max():.4g}; "
            "take the softmax of logits."
        )
    drawn = stream(seed, Purpose.METRICS, part=part_of("inception score"))
    shuffled = (given / sums)[drawn.permutation(len(given))]
    scores = [_score(part) for part in np.array_split(shuffled, splits)]
    return InceptionScore(
        mean=float(np.mean(scores)), deviation=float(np.std(scores)), splits=int(splits)
    )


def _score(given: np.ndarray) -> float:
    overall = np.broadcast_to(given.mean(axis=0), given.shape)
    positive = given > 0  # 0 log 0 is 0
    terms = given[positive] * np.log(given[positive] / overall[positive])
    return float(np.exp(terms.sum() / len(given)))
