"""Metrics of generated samples, computed from features, probabilities or labels in NumPy arrays."""

from gandem.metrics.class_accuracy import (
    ClassAccuracy,
    ClassBalance,
    class_accuracy,
    class_balance,
    confusion_matrix,
)
from gandem.metrics.diversity import Diversity, diversity
from gandem.metrics.frechet import Moments, Normal, frechet_distance
from gandem.metrics.inception_score import InceptionScore, inception_score
from gandem.metrics.kernel import KernelDistance, kernel_distance
from gandem.metrics.manifold import PrecisionRecall, precision_recall
from gandem.metrics.mode_coverage import ModeCoverage, mode_coverage
from gandem.metrics.nearest_neighbors import Neighbors, nearest_training

__all__ = [
    "ClassAccuracy",
    "ClassBalance",
    "Diversity",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "Moments",
    "Neighbors",
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
