"""The Inception score: whether a classifier is sure of each sample, and unsure of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.errors import DataError
from gandem.core.rng import Purpose, part_of, stream
from gandem.metrics.validation import as_features, at_least

__all__ = ["InceptionScore", "inception_score"]

TOLERANCE = 1e-3
"""How far from 1 probabilities may sum: a softmax in float16 over some thousand classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionScore:
    """A score of parts of the samples.

    Attributes:
        mean: over the splits, 1 to K.
        deviation: their standard deviation, 0 for a single one.
        splits: how many.
    """

    mean: float
    deviation: float
    splits: int


def inception_score(
    probabilities: np.ndarray, *, splits: int = 10, seed: int = 0
) -> InceptionScore:
    r"""Return how many classes the samples seem to be of.

    .. math:: \exp \mathbb{E}_x \operatorname{KL}\bigl( p(y \mid x) \Vert p(y) \bigr)

    Samples are shuffled, split into equal parts, and :math:`p(y)` is the mean of each part.  1
    where all samples look alike to the classifier, or none clearly; K where it is sure of each and
    classes are even.  It never sees a real sample, nor variety within a class; small parts lower
    it.  Comparable only for one classifier and one size of the parts.

    Args:
        probabilities: :math:`p(y \mid x)`, (N, K), rows that sum to 1.
        splits: equal parts, at most N.
        seed: of the shuffle.

    Raises:
        DataError: rows that are no probabilities, or fewer of them than splits.

    Reference: Salimans et al. 2016, section 4, arXiv:1606.03498; of its limits Barratt and Sharma
    2018, arXiv:1801.01973.

    >>> inception_score(np.eye(4), splits=1)
    InceptionScore(mean=4.0, deviation=0.0, splits=1)
    """
    at_least("splits", splits, 1)
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
    there = given > 0  # 0 log 0 is 0
    surprise = given[there] * np.log(given[there] / overall[there])
    return float(np.exp(surprise.sum() / len(given)))
