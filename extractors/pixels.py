"""Pixels as features, for tiny images, for points, and for data without a suitable network."""

from __future__ import annotations

import hashlib

import numpy as np

from gandem.core.data.features import Features
from gandem.core.errors import DataError


def load(argument: str, backend: str) -> Pixels:
    """Return the extractor; it takes no argument and needs no backend.

    Raises:
        DataError: there is an argument.
    """
    if argument:
        raise DataError(f"pixels: it takes no argument, received {argument!r}.")
    return Pixels()


class Pixels:
    """uint8 images (N, H, W, C) scaled to [0, 1], or points (N, D) unchanged; float32 (N, D)."""

    name, classes = "pixels", 0
    digest = hashlib.sha256(b"pixels from 0 to 1, points as they are").hexdigest()

    def __call__(self, images: np.ndarray) -> Features:
        """Return the features."""
        rows = images.reshape(len(images), -1).astype(np.float32)
        return Features(rows / np.float32(255) if images.dtype == np.uint8 else rows, None)
