"""The measures of a score in the order of the table, and their computation from features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gandem.core.data.features import Features
from gandem.core.runs.config import SCORES
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
from gandem.metrics.evaluation.plugin_metrics import compute_plugin_metrics, plugin_metrics

QUICK = SCORES
"""Measures for frequent use in a training; the others take quadratic time."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of a table.

    Attributes:
        better: ``"less"``, ``"more"``, or ``"as real"``; empty if unknown.
        error: the name of the value after the ±, if there is one.
        spread: what that value is: ``"standard error"`` or ``"deviation"``.
    """

    title: str
    better: str
    error: str = ""
    spread: str = ""

    @property
    def heading(self) -> str:
        """The title with the meaning of the ±."""
        return f"{self.title} ± {self.spread}" if self.spread else self.title


MEASURES = {
    "frechet": Measure("Fréchet distance", "less"),
    "kernel": Measure("kernel distance", "less", "kernel_error", "standard error"),
    "precision": Measure("precision", "more"),
    "recall": Measure("recall", "more"),
    "density": Measure("density", "as real"),
    "coverage": Measure("coverage", "more"),
    "diversity": Measure("diversity, as a share", "as real"),
    "memorized": Measure("memorized", "as real"),
    "nearest": Measure("distance to the nearest real image", "as real"),
    "inception": Measure("class score", "more", "inception_deviation", "deviation"),
    "entropy": Measure("entropy of classes, nats", "as real"),
    "present": Measure("classes present", "as real"),
    "class_divergence": Measure("divergence of classes, nats", "less"),
    "accuracy": Measure("accuracy of classes", "more"),
    "gan_train": Measure("accuracy of a classifier trained on them", "more"),
    "modes": Measure("modes found", "more"),
    "high_quality": Measure("within 3 σ of a mode", "as real"),
    "mode_divergence": Measure("divergence of modes, nats", "less"),
}
"""Measures by name; errors and deviations are separate values."""


def all_measures() -> dict[str, Measure]:
    """Return gandem's own measures by name, then the metrics of plugins by id."""
    return MEASURES | {e.id: Measure(e.title or e.id, better="") for e in plugin_metrics()}


@dataclass(frozen=True)
class Side:
    """The real or the generated images of a score, as features.

    Attributes:
        features: (N, D).
        probabilities: (N, K) of a classifier, or (N, P, K) of one of the P parts of an image.
        labels: (N,) in the numbering of the data.
        mode_labels: (M,) of the whole data set if its classes are modes.
    """

    features: np.ndarray
    probabilities: np.ndarray | None = None
    labels: np.ndarray | None = None
    mode_labels: np.ndarray | None = None

    @cached_property
    def normal(self) -> Normal:
        """The normal distribution of the features, computed once."""
        return Normal.of(self.features)

    @property
    def predicted(self) -> np.ndarray | None:
        """The most probable classes (N,); those of parts are the digits of one number to base K."""
        if self.probabilities is None:
            return None
        classes: np.ndarray = self.probabilities.argmax(axis=-1)  # (N,) or (N, P)
        if classes.ndim == 1:
            return classes
        parts, base = self.probabilities.shape[1:]
        return np.asarray(classes @ base ** np.arange(parts)[::-1])


def compute_measures(
    fake: Side,
    real: Side,
    seed: int,
    *,
    points: bool = False,
    quick: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Return all values that can be measured, and details.

    Args:
        seed: of the random subsets of some measures.
        points: the features are points; labels of the real points are mixture components.
        quick: compute only the measures in :data:`QUICK`.
        progress: called with the number of measures done, and the total.

    Raises:
        DataError: the features cannot be compared, or are too few.
    """
    jobs = [_frechet, _kernel]
    if not quick:
        jobs += [_manifold, _diversity, _memory]
        if fake.probabilities is not None:
            jobs += [_classes if fake.probabilities.ndim == 2 else _modes_of_parts]
        if points and real.labels is not None:
            jobs += [_modes]
        if plugin_metrics():
            jobs += [_plugins]
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


Values = Iterator[tuple[str, Any]]


def _frechet(fake: Side, real: Side, seed: int) -> Values:
    yield "frechet", frechet_distance(fake.normal, real.normal)


def _kernel(fake: Side, real: Side, seed: int) -> Values:
    distance = kernel_distance(fake.features, real.features, seed=seed)
    yield "kernel", distance.value
    yield "kernel_error", distance.error


def _manifold(fake: Side, real: Side, seed: int) -> Values:
    result = precision_recall(fake.features, real.features)
    for name in ("precision", "recall", "density", "coverage"):
        yield name, getattr(result, name)


def _diversity(fake: Side, real: Side, seed: int) -> Values:
    yield "diversity", diversity(fake.features, real.features).ratio


def _memory(fake: Side, real: Side, seed: int) -> Values:
    neighbors = nearest_training(fake.features, real.features)
    yield "memorized", neighbors.memorized
    yield "nearest", float(np.median(neighbors.distances))


def _classes(fake: Side, real: Side, seed: int) -> Values:
    assert fake.probabilities is not None
    assert fake.predicted is not None
    assert real.predicted is not None
    count = fake.probabilities.shape[1]
    score = inception_score(fake.probabilities, seed=seed)
    yield "inception", score.mean
    yield "inception_deviation", score.deviation
    balance = class_balance(fake.predicted, count, real=real.predicted)
    yield "entropy", balance.entropy
    yield "present", balance.present
    yield "class_divergence", balance.divergence
    yield "classes", list(balance.counts)
    if fake.labels is None or real.labels is None:
        return
    names = _match_labels(real.labels, real.predicted)
    if names is not None and set(np.unique(fake.labels)) <= set(names):
        requested = np.array([names[int(label)] for label in fake.labels])
        result = class_accuracy(requested, fake.predicted, count)
        yield "accuracy", result.accuracy
        yield "accuracy_of_class", list(result.of_class)
        yield "confusion", result.matrix.tolist()


def _match_labels(labels: np.ndarray, predicted: np.ndarray) -> Mapping[int, int] | None:
    """Return the class that the classifier predicts for most real images of each label.

    None if two labels share a class, or a label has no majority.
    """
    names = {}
    for label in np.unique(labels):
        counts = np.bincount(predicted[labels == label])
        if 2 * counts.max() <= counts.sum():
            return None
        names[int(label)] = int(counts.argmax())
    return names if len(set(names.values())) == len(names) else None


def _modes(fake: Side, real: Side, seed: int) -> Values:
    assert real.labels is not None
    kinds = np.unique(real.labels)
    parts = [real.features[real.labels == kind].astype(np.float64) for kind in kinds]
    means = np.array([part.mean(axis=0) for part in parts])
    spread = [np.square(part - mean) for part, mean in zip(parts, means, strict=True)]
    deviation = math.sqrt(float(np.concatenate(spread).mean()))
    if not deviation > 0:
        return
    shares = np.array([len(part) for part in parts])
    result = mode_coverage(fake.features, means, deviation, shares=shares)
    yield "modes", result.modes
    yield "high_quality", result.high_quality
    yield "mode_divergence", result.divergence
    yield "mode_counts", list(result.counts)


def _modes_of_parts(fake: Side, real: Side, seed: int) -> Values:
    assert fake.probabilities is not None
    assert fake.predicted is not None
    _, parts, classes = fake.probabilities.shape
    count = classes**parts
    if real.mode_labels is None or real.mode_labels.max() + 1 != count:
        return  # other data, or some of the classes with other numbers
    balance = class_balance(fake.predicted, count, real=real.mode_labels, least=0.0)
    yield "modes", balance.present
    yield "mode_divergence", balance.divergence
    yield "mode_counts", list(balance.counts)


def _plugins(fake: Side, real: Side, seed: int) -> Values:
    errors: dict[str, str] = {}
    features = (Features(side.features, side.probabilities) for side in (real, fake))
    for name, value, error in compute_plugin_metrics(*features):
        yield name, value
        if error is not None:
            errors[name] = error
    if errors:
        yield "errors", errors
