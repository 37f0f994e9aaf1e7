"""Images that are read or composed when indexed, so they may exceed the memory."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

HASH_CHUNK_SIZE = 1024
"""Images hashed at a time."""


class LazyImages(ABC):
    """Images, uint8 (N, H, W, C), in place of an array.

    Indexing works as for an array and returns copies; ``np.asarray`` returns all images.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""

    @abstractmethod
    def select(self, which: np.ndarray) -> Self:
        """Return some of the images by index or mask, without reading them."""

    @abstractmethod
    def _read(self, rows: Any) -> np.ndarray:
        """Return a copy of the images at an index, a slice or an array of either or of masks."""

    @property
    def size(self) -> int:
        """The number of bytes of all images."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """The number of bytes of all images."""
        return self.size

    def digest(self, labels: np.ndarray | None) -> str:
        """Return :func:`hash_images`."""
        return hash_images(self, labels)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if first is Ellipsis:
            values: np.ndarray = np.asarray(self)[key]
            return values
        images = self._read(first)
        return images[(slice(None),) * (images.ndim - 3) + rest] if rest else images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        images = self[:]
        return images if dtype is None else np.asarray(images, dtype)


def hash_images(images: np.ndarray | LazyImages, labels: np.ndarray | None) -> str:
    """Return the SHA-256 of the shape, the pixels and the labels."""
    hashed = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), HASH_CHUNK_SIZE):
        hashed.update(np.ascontiguousarray(images[start : start + HASH_CHUNK_SIZE]).data)
    if labels is not None:
        hashed.update(labels.astype("<i8").tobytes())
    return hashed.hexdigest()
