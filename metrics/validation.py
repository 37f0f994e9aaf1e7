"""What a metric accepts: features, labels and numbers that can be scored; anything else is refused
in one line.
"""

from __future__ import annotations

import numpy as np

from gandem.core.errors import DataError, shown

__all__ = ["as_features", "as_labels", "as_pair", "at_least", "check_sizes"]

LARGEST = 1e20
"""The largest feature: the square of a kernel, its twelfth power, is a float64 still."""


def as_features(features: np.ndarray, name: str, least: int = 1) -> np.ndarray:
    """Return features that can be scored, as they came; whole numbers, say pixels, as float64.

    Args:
        features: (N, D).
        name: whose they are, for the error: ``"fake"``, ``"real"``.
        least: how many samples there must be.

    Raises:
        DataError: another shape, too few samples, not numbers, NaN, infinite, or above 1e20.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1]:
        raise DataError(
            f"{name}: expected features (N, D), received the shape {features.shape}; "
            "reshape images to one row each."
        )
    if features.dtype.kind in "iu":
        features = features.astype(np.float64)
    if features.dtype.kind != "f":
        raise DataError(f"{name}: expected numbers, received {features.dtype}.")
    if len(features) < least:
        raise DataError(f"{name}: expected at least {least} samples, received {len(features)}.")
    lowest, highest = float(features.min()), float(features.max())
    if not (lowest >= -LARGEST and highest <= LARGEST):  # NaN fails both
        bad = int((~(np.abs(features.astype(np.float64)) <= LARGEST)).any(axis=1).sum())
        raise DataError(
            f"{name}: {bad} of {len(features)} samples hold NaN, infinite or huge features; "
            "a generator that has diverged cannot be scored."
        )
    return features


def as_pair(
    fake: np.ndarray,
    real: np.ndarray,
    least: int = 1,
    names: tuple[str, str] = ("fake", "real"),
) -> tuple[np.ndarray, np.ndarray]:
    """Return features of generated and of real samples that can be compared.

    Raises:
        DataError: either cannot be scored, or they have different numbers of features.
    """
    fake, real = as_features(fake, names[0], least), as_features(real, names[1], least)
    check_sizes(fake.shape[1], real.shape[1], names)
    return fake, real


def check_sizes(fake: int, real: int, names: tuple[str, str] = ("fake", "real")) -> None:
    """Refuse samples with different numbers of features.

    Raises:
        DataError: they have.
    """
    if fake != real:
        raise DataError(
            f"{names[0]}: {fake} features a sample, but {names[1]}: {real}; "
            "take both from the same network."
        )


def as_labels(labels: np.ndarray, name: str, classes: int) -> np.ndarray:
    """Return labels that can be counted, int64 (N,).

    Raises:
        DataError: not a row of whole numbers from 0 to ``classes - 1``, or empty.
    """
    at_least("classes", classes, 1)
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{name}: expected labels (N,), whole numbers, received {labels.dtype} of the shape "
            f"{labels.shape}."
        )
    for label in (labels.min(), labels.max()):
        if not 0 <= label < classes:
            raise DataError(f"{name}: there is no class {label}; expected 0 to {classes - 1}.")
    return labels.astype(np.int64)


def at_least(name: str, value: int, least: int) -> None:
    """Refuse a setting that is no whole number, or too small.

    Raises:
        DataError: it is.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise DataError(
            f"{name}: expected a whole number, at least {least}, received {shown(value)}."
        )
