"""Features of images: what an extractor must be, and many images through one, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np

from gandem.core.errors import DataError

__all__ = ["CHUNK", "Extractor", "Features", "check_shape", "extract"]

CHUNK = 500
"""Images whose features are taken at once."""


class Features(NamedTuple):
    """What an extractor makes of N images: ``features`` float32 (N, D), and ``probabilities`` of
    K classes, (N, K), where it is a classifier.
    """

    features: np.ndarray
    probabilities: np.ndarray | None = None


class Extractor(Protocol):
    """What a row of ``gandem_extractors`` builds.

    Attributes:
        name: what a person types to get it, ``"lenet5:digits"``.
        digest: a hash of all that decides its features: scores compare only where it is the same.
        classes: of the probabilities; 0 for none.
    """

    name: str
    digest: str
    classes: int

    def __call__(self, images: np.ndarray) -> Features:
        """Return the features of uint8 images (N, H, W, C), or of points, float32 (N, D).

        Raises:
            DataError: it cannot look at such images.
        """


def extract(
    extractor: Extractor,
    images: Iterable[np.ndarray],
    progress: Callable[[int], None] | None = None,
) -> Features:
    """Return the features of images that come a chunk at a time, of which no more is held.

    Args:
        progress: called with the number of images done.

    Raises:
        DataError: the extractor cannot look at them, or returns what are no features of them.
    """
    features, probabilities, done = [], [], 0
    for chunk in images:
        found = Features(*extractor(chunk))
        _check(extractor, found, len(chunk))
        features.append(np.asarray(found.features, np.float32))
        if found.probabilities is not None:
            probabilities.append(np.asarray(found.probabilities, np.float64))
        done += len(chunk)
        if progress is not None:
            progress(done)
    joined = np.concatenate(probabilities) if probabilities else None
    return Features(np.concatenate(features), joined)


def check_shape(name: str, images: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse images that an extractor does not look at.

    Raises:
        DataError: their shape is not ``(N, *shape)``, or they are points.
    """
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        wanted, got = ("×".join(map(str, of)) for of in (shape, images.shape[1:]))
        what = "images" if images.dtype == np.uint8 else "points"
        raise DataError(
            f"{name} looks at images of {wanted}, received {what} of {got}; choose another with "
            "--extractor, like pixels."
        )


def _check(extractor: Extractor, found: Features, count: int) -> None:
    shapes = [np.shape(array) for array in found if array is not None]
    wanted = [(count, *shapes[0][1:2])] + [(count, extractor.classes)] * bool(extractor.classes)
    if shapes != wanted or len(shapes[0]) != 2:
        raise DataError(
            f"The extractor {extractor.name} returned arrays of {' and '.join(map(str, shapes))} "
            f"for {count} images, expected features (N, D)"
            + (f" and probabilities (N, {extractor.classes})." if extractor.classes else ".")
        )
