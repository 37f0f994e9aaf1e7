"""Metrics: what tells how good generated samples are, from features, probabilities or labels in
NumPy arrays; which network made these is not its business.

Everything the other rooms may use is listed here.
"""

from gandem.core.metrics.classes import (
    ClassAccuracy,
    ClassBalance,
    class_accuracy,
    class_balance,
    confusion_matrix,
)
from gandem.core.metrics.diversity import Diversity, diversity
from gandem.core.metrics.frechet import Moments, Normal, frechet_distance
from gandem.core.metrics.inception import InceptionScore, inception_score
from gandem.core.metrics.kernel import KernelDistance, kernel_distance
from gandem.core.metrics.manifold import PrecisionRecall, precision_recall
from gandem.core.metrics.modes import ModeCoverage, mode_coverage
from gandem.core.metrics.neighbours import Neighbours, nearest_training

__all__ = [
    "ClassAccuracy",
    "ClassBalance",
    "Diversity",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "Moments",
    "Neighbours",
    "Normal",
    "PrecisionRecall",
    "class_accuracy",
    "class_balance",
    "confusion_matrix",
    "diversity",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "mode_coverage",
    "nearest_training",
    "precision_recall",
]
