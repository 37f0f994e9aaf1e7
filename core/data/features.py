"""The protocol of a feature extractor, and the features that it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

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


Classifier = Callable[[np.ndarray], np.ndarray]
"""Returns the classes, integers (N,), of uint8 images (N, H, W, C)."""


@runtime_checkable
class TrainableExtractor(Extractor, Protocol):
    """An extractor whose network can also be trained as a classifier of any images (optional).

    Attributes:
        training: the training in a few words, with a hash of everything that determines it.
    """

    training: str

    def train(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Classifier:
        """Train a classifier from new initial weights.

        Args:
            images: uint8 (N, H, W, C); labels: integers (N,) from 0.
            seed: of the initial weights and the order of the images.
            progress: called with the number of steps done, and the total.
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
