"""Metrics of labels: accuracy of the requested classes, and balance of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.errors import DataError
from gandem.metrics.validation import as_labels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassAccuracy:
    """Accuracy of the requested classes.

    Attributes:
        accuracy: share of samples of the requested class, 0 to 1; ``1 / classes`` if the labels
            have no effect on a balanced generator.
        of_class: accuracy of each class; None for a class that was not requested.
        matrix: the result of :func:`confusion_matrix`.
    """

    accuracy: float
    of_class: tuple[float | None, ...]
    matrix: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBalance:
    r"""Balance of samples over :math:`K` classes with shares :math:`p_c`.

    Attributes:
        counts: samples per class.
        entropy: :math:`-\sum p_c \ln p_c`, in nats, 0 to :math:`\ln K`.
        evenness: the entropy divided by :math:`\ln K`, 0 to 1 (Pielou 1966); 1 if there is only
            one class.
        present: number of classes with at least ``least`` of an even share.
        divergence: :math:`\sum p_c \ln (p_c / q_c)` from the real shares :math:`q_c`, in nats,
            at least 0; infinite if a generated class is not among the real ones; None without
            real labels.
    """

    counts: tuple[int, ...]
    entropy: float
    evenness: float
    present: int
    divergence: float | None


def confusion_matrix(requested: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the counts of predicted classes per requested class, int64 (requested, predicted).

    Args:
        requested: the labels given to the generator, (N,).
        predicted: the classes that a classifier predicts for its samples, (N,).
        classes: number of classes.

    Raises:
        DataError: a label is out of range, or the lengths differ.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    requested = as_labels(requested, "requested", classes)
    predicted = as_labels(predicted, "predicted", classes)
    if len(requested) != len(predicted):
        raise DataError(
            f"requested: {len(requested)} labels, but predicted: {len(predicted)}; expected one of "
            "each per sample."
        )
    pairs = np.bincount(requested * classes + predicted, minlength=classes * classes)
    return pairs.reshape(classes, classes)


def class_accuracy(requested: np.ndarray, predicted: np.ndarray, classes: int) -> ClassAccuracy:
    """Return the accuracy of the requested classes.

    It includes the errors of the classifier; compare it with the accuracy on real samples.

    Args:
        requested: the labels given to the generator, (N,).
        predicted: the classes that a classifier predicts for its samples, (N,).
        classes: number of classes.

    Raises:
        DataError: a label is out of range, or the lengths differ.

    Reference: Shmelkov et al. 2018 (GAN-test), arXiv:1807.09499.

    >>> class_accuracy(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3).of_class
    (0.5, 1.0, None)
    """
    matrix = confusion_matrix(requested, predicted, classes)
    correct, counts = np.diag(matrix), matrix.sum(axis=1)
    return ClassAccuracy(
        accuracy=int(correct.sum()) / len(requested),
        of_class=tuple(
            int(c) / int(n) if n else None for c, n in zip(correct, counts, strict=True)
        ),
        matrix=matrix,
    )


def class_balance(
    labels: np.ndarray, classes: int, *, real: np.ndarray | None = None, least: float = 0.1
) -> ClassBalance:
    """Return the balance of samples over classes.

    Args:
        labels: the classes that a classifier predicts for generated samples, (N,).
        classes: :math:`K`, the number of classes.
        real: the labels of real samples, (M,).
        least: the minimum share of a class that counts as present, relative to 1 / K, 0 to 1.
            With 0 a single sample is enough, as for the modes of stacked MNIST (Metz et al. 2017),
            and so is a single error of the classifier.

    Raises:
        DataError: a label or ``least`` is out of range.

    Reference: Metz et al. 2017 for the divergence, arXiv:1611.02163.

    >>> balance = class_balance(np.array([0, 0, 1, 1]), 4, real=np.arange(4))
    >>> balance.counts, balance.present, balance.evenness, round(balance.divergence, 4)
    ((2, 2, 0, 0), 2, 0.5, 0.6931)
    """
    counts = np.bincount(as_labels(labels, "labels", classes), minlength=classes)
    if not 0 <= least <= 1:
        raise DataError(f"least: expected a share from 0 to 1, received {least!r}.")
    shares = counts / counts.sum()
    difference = None
    if real is not None:
        expected = np.bincount(as_labels(real, "real", classes), minlength=classes)
        difference = divergence(counts, expected)
    positive = shares[shares > 0]
    entropy = float(-(positive * np.log(positive)).sum()) + 0.0  # no -0.0
    return ClassBalance(
        counts=tuple(counts.tolist()),
        entropy=entropy,
        evenness=entropy / float(np.log(classes)) if classes > 1 else 1.0,
        present=int(((counts > 0) & (shares >= least / classes)).sum()),
        divergence=difference,
    )


def divergence(fake: np.ndarray, real: np.ndarray) -> float:
    r"""Return the Kullback-Leibler divergence of two distributions over classes, in nats.

    .. math:: \operatorname{KL}(p \Vert q) = \sum_c p_c \ln \frac{p_c}{q_c}

    Args:
        fake: counts or shares for :math:`p`, (K,), not all 0; real: the same for :math:`q`.

    Returns:
        At least 0; infinite if :math:`p` has a class that :math:`q` lacks.
    """
    p, q = fake / fake.sum(), real / real.sum()
    positive = p > 0
    if not (q[positive] > 0).all():
        return float("inf")
    return max(0.0, float((p[positive] * np.log(p[positive] / q[positive])).sum()))
