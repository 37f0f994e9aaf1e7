"""Scores of labels: whether a generator makes the class it is told, and all classes evenly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gandem.core.errors import DataError
from gandem.metrics.validation import as_labels

__all__ = [
    "ClassAccuracy",
    "ClassBalance",
    "class_accuracy",
    "class_balance",
    "confusion_matrix",
    "divergence",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassAccuracy:
    """Whether samples are of the class that was asked for.

    Attributes:
        accuracy: the share that is, 0 to 1; ``1 / classes`` where labels have no effect on an even
            generator.
        of_class: the same for each class that was asked for; None for one that was not.
        matrix: as :func:`confusion_matrix`.
    """

    accuracy: float
    of_class: tuple[float | None, ...]
    matrix: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBalance:
    r"""How samples spread over :math:`K` classes, :math:`p_c` the share of one.

    Attributes:
        counts: samples of each class.
        entropy: :math:`-\sum p_c \ln p_c`, in nats, 0 to :math:`\ln K`.
        evenness: the entropy as a share of :math:`\ln K`, 0 to 1 (Pielou 1966); 1 where there is
            one class only.
        present: how many classes there are: those with at least a tenth, or what was given, of an
            even share.
        divergence: :math:`\sum p_c \ln (p_c / q_c)` from the real shares :math:`q_c`, in nats, 0
            upwards; infinite where a class is made that is not among the real ones; None where no
            real labels were given.
    """

    counts: tuple[int, ...]
    entropy: float
    evenness: float
    present: int
    divergence: float | None


def confusion_matrix(asked: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Return how often a class was found where one was asked for, int64 (asked, found).

    Args:
        asked: the labels that the generator was told, (N,).
        found: the classes that a classifier sees in what it made, (N,).
        classes: how many there are.

    Raises:
        DataError: labels that do not fit the classes, or not as many of both.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    asked, found = as_labels(asked, "asked", classes), as_labels(found, "found", classes)
    if len(asked) != len(found):
        raise DataError(
            f"asked: {len(asked)} labels, but found: {len(found)}; expected one of each a sample."
        )
    pairs = np.bincount(asked * classes + found, minlength=classes * classes)
    return pairs.reshape(classes, classes)


def class_accuracy(asked: np.ndarray, found: np.ndarray, classes: int) -> ClassAccuracy:
    """Return how often label y gives a sample of class y.

    The classifier's own mistakes are in it: compare with its accuracy on real samples.

    Args:
        asked: the labels that the generator was told, (N,).
        found: the classes that a classifier sees in what it made, (N,).
        classes: how many there are.

    Raises:
        DataError: labels that do not fit the classes, or not as many of both.

    Reference: Shmelkov et al. 2018, where it is called GAN-test, arXiv:1807.09499.

    >>> class_accuracy(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3).of_class
    (0.5, 1.0, None)
    """
    matrix = confusion_matrix(asked, found, classes)
    right, wanted = np.diag(matrix), matrix.sum(axis=1)
    return ClassAccuracy(
        accuracy=int(right.sum()) / len(asked),
        of_class=tuple(int(r) / int(w) if w else None for r, w in zip(right, wanted, strict=True)),
        matrix=matrix,
    )


def class_balance(
    labels: np.ndarray, classes: int, *, real: np.ndarray | None = None, least: float = 0.1
) -> ClassBalance:
    """Return how evenly samples spread over classes.

    Args:
        labels: the classes that a classifier sees in generated samples, (N,).
        classes: :math:`K`, how many there are.
        real: the labels of real samples, (M,).
        least: what share of an even one, 1 / K, makes a class present, 0 to 1; with 0 a single
            sample does, as where modes of stacked MNIST are counted (Metz et al. 2017), but then
            so does a single mistake of the classifier.

    Raises:
        DataError: labels that do not fit the classes, or ``least`` out of range.

    Reference: the divergence Metz et al. 2017, arXiv:1611.02163.

    >>> found = class_balance(np.array([0, 0, 1, 1]), 4, real=np.arange(4))
    >>> found.counts, found.present, found.evenness, round(found.divergence, 4)
    ((2, 2, 0, 0), 2, 0.5, 0.6931)
    """
    counts = np.bincount(as_labels(labels, "labels", classes), minlength=classes)
    if not 0 <= least <= 1:
        raise DataError(f"least: expected a share from 0 to 1, received {least!r}.")
    shares = counts / counts.sum()
    apart = None
    if real is not None:
        apart = divergence(counts, np.bincount(as_labels(real, "real", classes), minlength=classes))
    some = shares[shares > 0]
    entropy = float(-(some * np.log(some)).sum()) + 0.0  # no -0.0
    return ClassBalance(
        counts=tuple(counts.tolist()),
        entropy=entropy,
        evenness=entropy / float(np.log(classes)) if classes > 1 else 1.0,
        present=int(((counts > 0) & (shares >= least / classes)).sum()),
        divergence=apart,
    )


def divergence(fake: np.ndarray, real: np.ndarray) -> float:
    r"""Return how far one distribution over classes is from another, in nats.

    .. math:: \operatorname{KL}(p \Vert q) = \sum_c p_c \ln \frac{p_c}{q_c}

    Args:
        fake: counts, or shares, that give :math:`p`, (K,), not all 0; real: likewise :math:`q`.

    Returns:
        0 upwards; infinite where :math:`p` has a class that :math:`q` lacks.
    """
    p, q = fake / fake.sum(), real / real.sum()
    there = p > 0
    if not (q[there] > 0).all():
        return float("inf")
    return max(0.0, float((p[there] * np.log(p[there] / q[there])).sum()))
