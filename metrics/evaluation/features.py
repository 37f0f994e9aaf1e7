"""Features of images: what an extractor must be, and many images through one, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np

from gandem.core.errors import DataError, GandemError
from gandem.core.plugins.isolation import aside, sentence

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
    features: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    done, width = 0, None
    for chunk in images:
        found = _found(extractor, chunk, width)
        features.append(found.features)
        width = found.features.shape[1]
        if found.probabilities is not None:
            probabilities.append(found.probabilities)
        done += len(chunk)
        if progress is not None:
            progress(done)
    if not features:
        raise DataError(f"{extractor.name}: there are no images to look at.")
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


def _found(extractor: Extractor, chunk: np.ndarray, width: int | None) -> Features:
    """Return what an extractor, which may be a stranger's, makes of a chunk: arrays in C order."""
    try:
        with aside():
            features, probabilities = extractor(chunk)
            found = Features(
                np.ascontiguousarray(features, np.float32),
                None if probabilities is None else np.ascontiguousarray(probabilities, np.float64),
            )
    except (GandemError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise DataError(
            f"The extractor {extractor.name} failed on {len(chunk)} images: {sentence(error)}"
        ) from error
    _check(extractor, found, len(chunk), width)
    return found


def _check(extractor: Extractor, found: Features, count: int, width: int | None) -> None:
    shapes = [array.shape for array in found if array is not None]
    wanted = [(count, *(shapes[0][1:2] if width is None else (width,)))]
    wanted += [(count, extractor.classes)] * bool(extractor.classes)
    if shapes != wanted or len(shapes[0]) != 2:
        raise DataError(
            f"The extractor {extractor.name} returned arrays of {' and '.join(map(str, shapes))} "
            f"for {count} images, expected features (N, {width or 'D'})"
            + (f" and probabilities (N, {extractor.classes})." if extractor.classes else ".")
        )
