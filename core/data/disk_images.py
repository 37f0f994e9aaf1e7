"""Images in a file of raw bytes, which may exceed the memory."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.lazy_images import LazyImages
from gandem.core.errors import DataError


class DiskImages(LazyImages):
    """Images in a file of raw bytes that are read when indexed.

    Args:
        shape: (N, H, W, C) of the file.
        kept: indices of the rows to use, in order; all by default.

    Raises:
        DataError: the file cannot be read, or its size does not match the shape.
    """

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

    def select(self, which: np.ndarray) -> DiskImages:
        """Return some of the images by index or mask, without reading them."""
        return DiskImages(self.path, self._stored, self._kept[which])

    def _read(self, rows: Any) -> np.ndarray:
        stored = np.memmap(self._file, np.uint8, "r", shape=self._stored)
        return np.array(stored[self._kept[rows]])
