"""Data sets: images or points with their labels, checked once and identified by a digest."""

from __future__ import annotations

import hashlib
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.summary import DatasetSummary
from gandem.core.errors import ClashError, DataError, NotFoundError
from gandem.core.plugins.isolation import stdout_to_stderr
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import registry

__all__ = [
    "Dataset",
    "DiskImages",
    "ResizableDataset",
    "default_extractor",
    "find_dataset",
    "load_dataset",
]

MAX_CLASSES = 100_000
"""The limit of a spec."""
HASH_CHUNK_SIZE = 1024
"""Images hashed at a time."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images or points, with optional labels.

    Attributes:
        name: the name the user typed.
        images: uint8 (N, H, W, C), an array or :class:`DiskImages`; or points, float32 (N, D).
        labels: integers (N,) from 0, or None.
        class_names: one per class; empty if unknown.
        source: the origin of the data.
        license: the license of the data.
        notes: messages for the user, like files that could not be read.
    """

    name: str
    images: np.ndarray | DiskImages
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    license: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_images(self.name, self.images)
        if self.labels is None:
            return
        _check_labels(self.name, self.labels, len(self.images))
        if self.class_names and len(self.class_names) < self.classes:
            raise DataError(
                f"{self.name}: {len(self.class_names)} class names are too few "
                f"for {self.classes} classes."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image, (H, W, C), or of one point, (D,)."""
        return tuple(self.images.shape[1:])

    @property
    def classes(self) -> int:
        """Number of classes: the largest label plus one, 0 without labels."""
        return 0 if self.labels is None else int(self.labels.max()) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape, pixels and labels; data sets with equal digests train equally."""
        hashed = hashlib.sha256(repr(self.images.shape).encode())
        for start in range(0, len(self.images), HASH_CHUNK_SIZE):
            hashed.update(np.ascontiguousarray(self.images[start : start + HASH_CHUNK_SIZE]).data)
        if self.labels is not None:
            hashed.update(self.labels.astype("<i8").tobytes())
        return hashed.hexdigest()

    def select_classes(self, classes: Sequence[int]) -> Dataset:
        """Return the images of some classes, relabeled 0, 1, … in the order given.

        Raises:
            DataError: the data has no labels, or a class has no images.
        """
        if self.labels is None:
            raise DataError(f"{self.name}: it has no labels, so no classes can be chosen.")
        if not classes:
            raise DataError(
                f"{self.name}: no class is chosen; its classes are 0 to {self.classes - 1}."
            )
        for label in classes:
            if not 0 <= label < self.classes:
                raise DataError(
                    f"{self.name}: there is no class {label}; "
                    f"its classes are 0 to {self.classes - 1}."
                )
        if len(set(classes)) < len(classes):
            raise DataError(f"{self.name}: a class is named twice in {list(classes)}.")
        for label in classes:
            if label not in self.labels:
                raise DataError(f"{self.name}: it has no images of class {label}.")
        new = np.full(self.classes, -1, np.int64)
        new[list(classes)] = np.arange(len(classes))
        kept = new[self.labels] >= 0
        names = tuple(self.class_names[c] for c in classes) if self.class_names else ()
        return replace(
            self,
            name=f"{self.name}[{','.join(map(str, classes))}]",
            images=self.images.select(kept)
            if isinstance(self.images, DiskImages)
            else self.images[kept],
            labels=new[self.labels[kept]],
            class_names=names,
        )


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
            self._file = path.open(
                "rb"
            )  # held open, so that clearing the cache does not stop a training
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


class ResizableDataset(ABC):
    """Images of several sizes, which become a :class:`Dataset` when resized to one shape.

    A loader may return it instead of a :class:`Dataset`.
    """

    name: str

    @abstractmethod
    def resize(self, shape: tuple[int, ...] | None = None) -> Dataset:
        """Return the images cropped and resized to (H, W, C); by default their common shape.

        Raises:
            DataError: no image can be read, or they have several sizes and no shape is given.
        """

    @abstractmethod
    def summarize(self, *, quiet: bool = False) -> DatasetSummary:
        """Return a summary of the original images; ``quiet`` shows no progress."""

    @abstractmethod
    def sample_classes(
        self, each: int, shape: tuple[int, ...]
    ) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class with its name, resized to a shape."""


# --- loading ---------------------------------------------------------------------------------


def load_dataset(
    name: str,
    data_dir: Path | str | None = None,
    shape: tuple[int, ...] | None = None,
    classes: Sequence[int] | None = None,
) -> Dataset:
    """Return the data set called ``"name"`` or ``"name:argument"``.

    Args:
        data_dir: the folder with its files.
        shape: (H, W, C) that images of several sizes are resized to.
        classes: the classes to keep, renumbered from 0; all if left out or empty.

    Raises:
        NotFoundError: the data set does not exist.
        DataError: it cannot be read or downloaded, or lacks a class.
    """
    loaded = find_dataset(name, Path(data_dir) if data_dir else None)
    dataset = loaded.resize(shape) if isinstance(loaded, ResizableDataset) else loaded
    return dataset.select_classes(classes) if classes else dataset


def find_dataset(name: str, data_dir: Path | None = None) -> Dataset | ResizableDataset:
    """Return a data set as its loader does, without resizing.

    Raises:
        NotFoundError, DataError: as :func:`load_dataset`.
    """
    head, _, argument = name.partition(":")
    entry = registry().find("datasets", head)
    load = import_target(entry)
    with stdout_to_stderr():
        dataset = load(argument, data_dir)
    if not isinstance(dataset, Dataset | ResizableDataset):
        raise DataError(f"The {entry.full_name} returned {type(dataset).__name__}.")
    return dataset


def default_extractor(name: str) -> str:
    """Return the default extractor of a data set: that of its entry, or ``"pixels"``."""
    head = name.partition(":")[0].partition("[")[0]
    try:
        return registry().find("datasets", head).extractor or "pixels"
    except (NotFoundError, ClashError):  # a plugin's data set may have another name than its entry
        return "pixels"


# --- checks ----------------------------------------------------------------------------------


def _check_images(name: str, images: Any) -> None:
    is_array = isinstance(images, np.ndarray | DiskImages)
    if is_array and images.ndim == 2 and images.dtype == np.float32:
        _check_points(name, images)
        return
    if (
        not is_array
        or images.ndim != 4
        or images.dtype != np.uint8
        or images.shape[3] not in (1, 3)
    ):
        raise DataError(
            f"{name}: expected uint8 images (N, height, width, 1 or 3), "
            f"received {_describe(images)}."
        )
    if len(images) == 0:
        raise DataError(f"{name}: it has no images.")
    if images.size == 0:
        raise DataError(f"{name}: its images have no pixels, received {images.shape}.")


def _check_points(name: str, points: np.ndarray) -> None:
    if points.size == 0:
        raise DataError(f"{name}: it has no points, received {points.shape}.")
    if not np.isfinite(points).all():
        raise DataError(f"{name}: some of its points are not finite.")


def _check_labels(name: str, labels: np.ndarray, count: int) -> None:
    if (
        not isinstance(labels, np.ndarray)
        or labels.shape != (count,)
        or labels.dtype.kind not in "iu"
    ):
        raise DataError(
            f"{name}: expected a whole-number label for each of {count} images, "
            f"received {_describe(labels)}."
        )
    if labels.min() < 0:
        raise DataError(f"{name}: the label {labels.min()} is negative.")
    if labels.max() >= MAX_CLASSES:
        raise DataError(
            f"{name}: the label {labels.max()} is too large; classes are numbered from 0 on."
        )


def _describe(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype} {array.shape}"
    return f"a {type(array).__name__}"
