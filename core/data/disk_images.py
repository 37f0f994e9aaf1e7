"""Images in a file of raw bytes, which may exceed the memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.lazy_images import LazyImages
from gandem.core.documents import parse_json
from gandem.core.errors import DataError, RunError
from gandem.core.files import write_json


class DiskImages(LazyImages):
    """Images in a file of raw bytes that are read when indexed.

    Args:
        shape: (N, H, W, C) of the file.

    Raises:
        DataError: the file cannot be read, or its size does not match the shape.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        self.path, self._stored = path, shape
        self._kept, self._opened = np.arange(shape[0]), None
        try:
            self._file = path.open("rb")  # clearing the cache does not stop a training
            weakref.finalize(self, self._file.close)
            size = os.fstat(self._file.fileno()).st_size
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
        selected = object.__new__(DiskImages)
        selected.__dict__ |= self.__dict__ | {"_kept": self._kept[which], "_opened": self}
        return selected  # the images that opened the file are kept, since they close it

    def digest(self, labels: np.ndarray | None) -> str:
        """Return the hash of images and labels, which is stored beside the file: a gigabyte takes
        a second.
        """
        facts = os.fstat(self._file.fileno())
        hashed = hashlib.sha256(json.dumps([facts.st_size, facts.st_mtime_ns]).encode())
        for array in (self._kept, labels):
            hashed.update(b"-" if array is None else array.astype("<i8").tobytes())
        key, path = hashed.hexdigest(), self.path.with_name("digests.json")
        known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            stored = parse_json(path.read_bytes())
            known = stored if isinstance(stored, dict) else {}
        if not isinstance(known.get(key), str):
            known[key] = super().digest(labels)
            with contextlib.suppress(RunError):  # a folder that cannot be written, or was removed
                write_json(path, known)
        return known[key]

    def _read(self, rows: Any) -> np.ndarray:
        try:
            stored = np.memmap(self._file, np.uint8, "r", shape=self._stored)
        except (OSError, ValueError):  # shorter than before
            raise DataError(
                f"{self.path}: it has been changed while it is in use. Start again, which prepares "
                "the images again."
            ) from None
        return np.array(stored[self._kept[rows]])
