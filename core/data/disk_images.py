"""Images in a file of raw bytes, which may exceed the memory."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import DataError

__all__ = ["DiskImages"]


class DiskImages:
    """Images in a file of raw bytes that are read when indexed, so they may exceed the memory.

    Indexing works as for an array and returns copies; ``np.asarray`` reads all images.

    Args:
        shape: (N, H, W, C) of the file.
        kept: indices of the rows to use, in order; all by default.

    Raises:
        DataError: the file cannot be read, or its size does not match the shape.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(
        self, path: Path, shape: tuple[int, int, int, int], kept: np.ndarray | None = None
    ) -> None:
        self.path, self._stored = path, shape
        self._kept = np.arange(shape[0]) if kept is None else kept
        try:
            self._file = path.open("rb")  # clearing the cache does not stop a training
            weakref.finalize(self, self._file.close)
            size = path.stat().st_size
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
        if size != int(np.prod(shape)):
            raise DataError(f"{path}: expected {int(np.prod(shape))} bytes, received {size}.")

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self._kept), *self._stored[1:])

    @property
    def size(self) -> int:
        """The number of bytes of all images."""
        return int(np.prod(self.shape))

    nbytes = size

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: Any) -> np.ndarray:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if first is Ellipsis:
            values: np.ndarray = np.asarray(self)[key]
            return values
        stored = np.memmap(self._file, np.uint8, "r", shape=self._stored)
        images: np.ndarray = np.array(stored[self._kept[first]])
        if rest:
            images = images[(slice(None),) * np.ndim(self._kept[first]) + rest]
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        images = self[:]
        return images if dtype is None else np.asarray(images, dtype)

    def select(self, which: np.ndarray) -> DiskImages:
        """Return some of the images by index or mask, without reading them."""
        return DiskImages(self.path, self._stored, self._kept[which])
