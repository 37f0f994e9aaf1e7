"""Every measure that a score has, in the order of a table: its name, its title, and how it is
computed from features and classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gandem.core.errors import ClashError, NotFoundError
from gandem.core.plugins.registry import registry
from gandem.metrics import (
    Normal,
    class_accuracy,
    class_balance,
    diversity,
    frechet_distance,
    inception_score,
    kernel_distance,
    mode_coverage,
    nearest_training,
    precision_recall,
)

__all__ = ["MEASURES", "QUICK", "Measure", "Side", "measured", "usual_extractor"]

QUICK = ("frechet", "kernel")
"""What a training may measure often: the rest takes time with the square of the samples."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a table.

    Attributes:
        better: ``"less"``, ``"more"``, or ``"as real"``.
        error: the name of the value that is its standard error, or deviation.
    """

    title: str
    better: str
    error: str = ""


MEASURES = {
    "frechet": Measure("Fréchet distance", "less"),
    "kernel": Measure("kernel distance", "less", "kernel_error"),
    "precision": Measure("precision", "more"),
    "recall": Measure("recall", "more"),
    "density": Measure("density", "as real"),
    "coverage": Measure("coverage", "more"),
    "diversity": Measure("diversity, as a share", "as real"),
    "memorised": Measure("memorised", "as real"),
    "inception": Measure("class score", "more", "inception_deviation"),
    "entropy": Measure("entropy of classes, nats", "as real"),
    "present": Measure("classes present", "as real"),
    "class_divergence": Measure("divergence of classes, nats", "less"),
    "accuracy": Measure("accuracy of classes", "more"),
    "modes": Measure("modes found", "more"),
    "high_quality": Measure("within 3 σ of a mode", "as real"),
    "mode_divergence": Measure("divergence of modes, nats", "less"),
}
"""By name; errors and deviations are values of their own beside these."""


@dataclass(frozen=True)
class Side:
    """What is known of some images.

    Attributes:
        features: (N, D).
        probabilities: (N, K), of a classifier's classes.
        labels: (N,) what they are told to be, in the numbers of the data.
    """

    features: np.ndarray
    probabilities: np.ndarray | None = None
    labels: np.ndarray | None = None

    @cached_property
    def normal(self) -> Normal:
        """The normal distribution of the features: of the real ones it serves every score."""
        return Normal.of(self.features)

    @property
    def found(self) -> np.ndarray | None:
        """(N,) the most probable class."""
        return None if self.probabilities is None else self.probabilities.argmax(axis=1)


def usual_extractor(data: str) -> str:
    """Return the extractor that suits a data set: what its row in the registry says, or pixels."""
    name = data.partition(":")[0].partition("[")[0]
    try:
        return registry().find("datasets", name).extractor or "pixels"
    except (NotFoundError, ClashError):  # a plugin's data, that calls itself something else
        return "pixels"


def measured(
    fake: Side,
    real: Side,
    seed: int,
    *,
    points: bool = False,
    quick: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Return every value that can be measured, and details.

    Args:
        seed: of the subsets and parts that some draw.
        points: the features are points, and the real ones' labels say which component of a mixture
            each is from.
        quick: only what takes no time to speak of.
        progress: called with the number of measures done, and of all.

    Raises:
        DataError: features that cannot be compared, or too few.
    """
    jobs = [_frechet, _kernel]
    if not quick:
        jobs += [_manifold, _diversity, _memory]
        if fake.probabilities is not None:
            jobs += [_classes]
        if points and real.labels is not None:
            jobs += [_modes]
    values: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for number, job in enumerate(jobs):
        if progress is not None:
            progress(number, len(jobs))
        for name, value in job(fake, real, seed):
            place = details if isinstance(value, list | dict) else values
            place[name] = value
    if progress is not None:
        progress(len(jobs), len(jobs))
    return {name: _finite(value) for name, value in values.items()}, details


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


Found = Iterator[tuple[str, Any]]


def _frechet(fake: Side, real: Side, seed: int) -> Found:
    yield "frechet", frechet_distance(fake.normal, real.normal)


def _kernel(fake: Side, real: Side, seed: int) -> Found:
    found = kernel_distance(fake.features, real.features, seed=seed)
    yield "kernel", found.value
    yield "kernel_error", found.error


def _manifold(fake: Side, real: Side, seed: int) -> Found:
    found = precision_recall(fake.features, real.features)
    for name in ("precision", "recall", "density", "coverage"):
        yield name, getattr(found, name)


def _diversity(fake: Side, real: Side, seed: int) -> Found:
    yield "diversity", diversity(fake.features, real.features).ratio


def _memory(fake: Side, real: Side, seed: int) -> Found:
    yield "memorised", nearest_training(fake.features, real.features).memorised


def _classes(fake: Side, real: Side, seed: int) -> Found:
    assert fake.probabilities is not None
    assert fake.found is not None
    assert real.found is not None
    count = fake.probabilities.shape[1]
    score = inception_score(fake.probabilities, seed=seed)
    yield "inception", score.mean
    yield "inception_deviation", score.deviation
    balance = class_balance(fake.found, count, real=real.found)
    yield "entropy", balance.entropy
    yield "present", balance.present
    yield "class_divergence", balance.divergence
    yield "classes", list(balance.counts)
    if fake.labels is None or real.labels is None:
        return
    names = _names(real.labels, real.found)
    if names is not None and set(np.unique(fake.labels)) <= set(names):
        asked = np.array([names[int(label)] for label in fake.labels])
        told = class_accuracy(asked, fake.found, count)
        yield "accuracy", told.accuracy
        yield "accuracy_of_class", list(told.of_class)
        yield "confusion", told.matrix.tolist()


def _names(labels: np.ndarray, found: np.ndarray) -> Mapping[int, int] | None:
    """Return which of the classifier's classes each label of the real images is: what it finds in
    most of them.  None where labels share a class, or the classifier does not know them.
    """
    names = {}
    for label in np.unique(labels):
        counts = np.bincount(found[labels == label])
        if 2 * counts.max() <= counts.sum():
            return None
        names[int(label)] = int(counts.argmax())
    return names if len(set(names.values())) == len(names) else None


def _modes(fake: Side, real: Side, seed: int) -> Found:
    assert real.labels is not None
    kinds = np.unique(real.labels)
    parts = [real.features[real.labels == kind].astype(np.float64) for kind in kinds]
    means = np.array([part.mean(axis=0) for part in parts])
    spread = [np.square(part - mean) for part, mean in zip(parts, means, strict=True)]
    deviation = math.sqrt(float(np.concatenate(spread).mean()))
    if not deviation > 0:
        return
    shares = np.array([len(part) for part in parts])
    found = mode_coverage(fake.features, means, deviation, shares=shares)
    yield "modes", found.modes
    yield "high_quality", found.high_quality
    yield "mode_divergence", found.divergence
    yield "mode_counts", list(found.counts)
