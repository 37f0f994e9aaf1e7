"""Checks of the arguments of metrics: features, labels and settings."""

from __future__ import annotations

import numpy as np

from gandem.core.errors import DataError, shown

MAX_FEATURE = 1e20
"""The twelfth power, the square of a kernel, is still a finite float64."""


def as_features(features: np.ndarray, name: str, least: int = 1) -> np.ndarray:
    """Return features after a check; integers become float64.

    Args:
        features: (N, D).
        name: the name for errors: ``"fake"``, ``"real"``.
        least: minimum number of samples.

    Raises:
        DataError: wrong shape, too few samples, not numbers, NaN, infinite, or above 1e20.
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
    if not (lowest >= -MAX_FEATURE and highest <= MAX_FEATURE):  # NaN fails both
        bad = int((~(np.abs(features.astype(np.float64)) <= MAX_FEATURE)).any(axis=1).sum())
        raise DataError(
            f"{name}: {bad} of {len(features)} samples have NaN, infinite or huge features; "
            "a generator that has diverged cannot be scored."
        )
    return features


def as_pair(
    fake: np.ndarray,
    real: np.ndarray,
    least: int = 1,
    names: tuple[str, str] = ("fake", "real"),
) -> tuple[np.ndarray, np.ndarray]:
    """Return features of generated and real samples after a check.

    Raises:
        DataError: they cannot be scored, or have different numbers of features.
    """
    fake, real = as_features(fake, names[0], least), as_features(real, names[1], least)
    check_sizes(fake.shape[1], real.shape[1], names)
    return fake, real


def check_sizes(fake: int, real: int, names: tuple[str, str] = ("fake", "real")) -> None:
    """Check that samples have equal numbers of features.

    Raises:
        DataError: they differ.
    """
    if fake != real:
        raise DataError(
            f"{names[0]}: {fake} features per sample, but {names[1]}: {real}; "
            "take both from the same network."
        )


def as_labels(labels: np.ndarray, name: str, classes: int) -> np.ndarray:
    """Return labels after a check, int64 (N,).

    Raises:
        DataError: they are empty, or not integers from 0 to ``classes - 1``.
    """
    check_at_least("classes", classes, 1)
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


def check_at_least(name: str, value: int, least: int) -> None:
    """Check that a setting is an integer and not too small.

    Raises:
        DataError: otherwise.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise DataError(
            f"{name}: expected a whole number, at least {least}, received {shown(value)}."
        )
