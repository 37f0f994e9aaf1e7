"""The protocol of a feature extractor, and the features that it returns."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from gandem.core.errors import DataError


class Features(NamedTuple):
    """Features float32 (N, D) of N images, and class probabilities (N, K) of a classifier.

    A classifier of the parts of an image, like its color channels, has probabilities (N, P, K).
    """

    features: np.ndarray
    probabilities: np.ndarray | None = None


class Extractor(Protocol):
    """A feature extractor, returned by the target of an entry of ``gandem_extractors``.

    Attributes:
        name: the name users type, ``"lenet5:digits"``.
        digest: a hash of everything that determines its features; scores are comparable only if
            it is equal.
        classes: :math:`K`, the number of classes of the probabilities; 0 for none.
    """

    name: str
    digest: str
    classes: int

    def __call__(self, images: np.ndarray) -> Features:
        """Return the features of uint8 images (N, H, W, C), or of points, float32 (N, D).

        Raises:
            DataError: it does not support such images.
        """


def check_shape(name: str, images: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check that images are uint8 of shape ``(N, *shape)``.

    Raises:
        DataError: they have another shape, or are points.
    """
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        expected, received = ("×".join(map(str, of)) for of in (shape, images.shape[1:]))
        noun = "images" if images.dtype == np.uint8 else "points"
        raise DataError(
            f"{name} expects images of {expected}, received {noun} of {received}; choose another "
            "with --extractor, like pixels."
        )
