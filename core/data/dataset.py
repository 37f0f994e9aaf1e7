"""Data sets in core: images, in memory or in a file, with their labels; checked once, named by
their content.
"""

from __future__ import annotations

import hashlib
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.errors import DataError

if TYPE_CHECKING:
    from gandem.core.data.summary import Survey

__all__ = ["Dataset", "Fittable", "OnDisk"]

MOST_CLASSES = 100_000
"""As many as a spec can have."""
CHUNK = 1024
"""Images that are hashed at once."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, or points, and, where there are any, labels.

    Attributes:
        name: what a person typed to get it.
        images: uint8 (N, H, W, C), an array or :class:`OnDisk`; or points, float32 (N, D), which
            are no images at all.
        labels: whole numbers (N,) from 0, or None.
        class_names: one a class; empty where nobody has named them.
        source: where it comes from.
        license: what may be done with it.
        notes: what deserves a word and is no error, like files that could not be read.
    """

    name: str
    images: np.ndarray | OnDisk
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
        """Number of classes: the largest label and one, 0 without labels."""
        return 0 if self.labels is None else int(self.labels.max()) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shapes, pixels and labels: two data sets of one digest train the same."""
        hashed = hashlib.sha256(repr(self.images.shape).encode())
        for at in range(0, len(self.images), CHUNK):
            hashed.update(np.ascontiguousarray(self.images[at : at + CHUNK]).data)
        if self.labels is not None:
            hashed.update(self.labels.astype("<i8").tobytes())
        return hashed.hexdigest()

    def only(self, classes: Sequence[int]) -> Dataset:
        """Return the images of some classes, whose labels become 0, 1, … in the order given.

        Raises:
            DataError: the data has no labels, or no such class.
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
            images=self.images.rows(kept) if isinstance(self.images, OnDisk) else self.images[kept],
            labels=new[self.labels[kept]],
            class_names=names,
        )


class OnDisk:
    """Images in a file of bytes, one after the other: a row is read when it is asked for, so they
    may be more than the memory holds.

    It is indexed as an array is, by a number, a slice, whole numbers or truths, and hands out
    arrays of its own; ``np.asarray`` reads all of it.

    Args:
        shape: (N, H, W, C) of the file.
        kept: which of its rows there are, in order; left out, all.

    Raises:
        DataError: the file cannot be read, or is of another size.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(
        self, path: Path, shape: tuple[int, int, int, int], kept: np.ndarray | None = None
    ) -> None:
        self.path, self._stored = path, shape
        self._kept = np.arange(shape[0]) if kept is None else kept
        try:
            self._file = path.open("rb")  # held open: whoever clears the cache ends no training
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
        """How many bytes all images have."""
        return int(np.prod(self.shape))

    nbytes = size

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: Any) -> np.ndarray:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if first is Ellipsis:
            every: np.ndarray = np.asarray(self)[key]
            return every
        mapped = np.memmap(self._file, np.uint8, "r", shape=self._stored)
        read: np.ndarray = np.array(mapped[self._kept[first]])
        if rest:
            read = read[(slice(None),) * np.ndim(self._kept[first]) + rest]
        return read

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        every = self[:]
        return every if dtype is None else np.asarray(every, dtype)

    def rows(self, which: np.ndarray) -> OnDisk:
        """Return some of the images, without reading any."""
        return OnDisk(self.path, self._stored, self._kept[which])


class Fittable(ABC):
    """Images of many sizes, which become a data set once their shape is known.

    A loader returns it instead of a :class:`Dataset`; whoever wants images of one shape calls
    :meth:`fitted`.
    """

    name: str

    @abstractmethod
    def fitted(self, shape: tuple[int, ...] | None = None) -> Dataset:
        """Return the images brought to a shape (H, W, C); without one, to that which they have.

        Raises:
            DataError: there are none, or they have several sizes and none was asked for.
        """

    @abstractmethod
    def survey(self, *, quiet: bool = False) -> Survey:
        """Return what the images are, before they are fitted; ``quiet`` shows no progress."""

    @abstractmethod
    def some(self, each: int, shape: tuple[int, ...]) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class by its name, all fitted to a shape."""


def _check_images(name: str, images: Any) -> None:
    array = isinstance(images, np.ndarray | OnDisk)
    if array and images.ndim == 2 and images.dtype == np.float32:
        _check_points(name, images)
        return
    if not array or images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{name}: expected uint8 images (N, height, width, 1 or 3), received {_form(images)}."
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
            f"received {_form(labels)}."
        )
    if labels.min() < 0:
        raise DataError(f"{name}: the label {labels.min()} is negative.")
    if labels.max() >= MOST_CLASSES:
        raise DataError(
            f"{name}: the label {labels.max()} is too large; classes are numbered from 0 on."
        )


def _form(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype} {array.shape}"
    return f"a {type(array).__name__}"
