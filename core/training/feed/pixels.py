"""Real images as the networks read them: in the range of the spec, and in each resolution."""

from __future__ import annotations

import functools

import numpy as np

from gandem.core.data.images import downsample_images
from gandem.core.specs import IMAGE, Points, Spec, image_shapes
from gandem.core.training.state import stored

__all__ = ["as_read", "byte_values", "read_resolutions"]


def as_read(spec: Spec, data: np.ndarray, precision: str) -> np.ndarray:
    """Convert images, uint8 (N, H, W, C), or means of such, to the range of the spec; points keep
    their values.
    """
    if isinstance(spec.image, Points):
        return data.astype(stored(precision))
    low, high = spec.image.low, spec.image.high
    if data.dtype != np.uint8:
        return _scale(data, low, high, precision)
    values: np.ndarray = byte_values(low, high, precision)[data]
    return values


def read_resolutions(spec: Spec, data: np.ndarray, precision: str) -> dict[str, np.ndarray]:
    """Return images, uint8 (N, H, W, C), in the range of the spec and in each of its resolutions,
    or points; by the names of :func:`gandem.core.specs.image_shapes`.
    """
    images = {IMAGE: as_read(spec, data, precision)}
    for name, shape in image_shapes(spec).items():
        if name != IMAGE:
            lower = downsample_images(data, data.shape[1] // shape[0])
            images[name] = as_read(spec, lower, precision)
    return images


@functools.lru_cache(maxsize=16)
def byte_values(low: float, high: float, precision: str) -> np.ndarray:
    """Return the values of the 256 bytes."""
    return _scale(np.arange(256), low, high, precision)


def _scale(data: np.ndarray, low: float, high: float, precision: str) -> np.ndarray:
    """Bring numbers from 0 to 255 to a range."""
    return (data * ((high - low) / 255) + low).astype(stored(precision))
