"""Data sets in core: bytes in memory with their labels, checked once, named by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gandem.core.errors import DataError

__all__ = ["Dataset"]

MOST_CLASSES = 100_000
"""As many as a spec can have."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and, where there are any, labels.

    Attributes:
        name: what a person typed to get it.
        images: uint8 (N, H, W, C).
        labels: whole numbers (N,) from 0, or None.
        class_names: one a class; empty where nobody has named them.
        source: where it comes from.
        licence: what may be done with it.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""

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
    def classes(self) -> int:
        """Number of classes: the largest label and one, 0 without labels."""
        return 0 if self.labels is None else int(self.labels.max()) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shapes, pixels and labels: two data sets of one digest train the same."""
        hashed = hashlib.sha256(repr(self.images.shape).encode())
        hashed.update(np.ascontiguousarray(self.images).data)
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
            images=self.images[kept],
            labels=new[self.labels[kept]],
            class_names=names,
        )


def _check_images(name: str, images: np.ndarray) -> None:
    if (
        not isinstance(images, np.ndarray)
        or images.ndim != 4
        or images.dtype != np.uint8
        or images.shape[3] not in (1, 3)
    ):
        raise DataError(
            f"{name}: expected uint8 images (N, height, width, 1 or 3), received {_form(images)}."
        )
    if len(images) == 0:
        raise DataError(f"{name}: it has no images.")
    if images.size == 0:
        raise DataError(f"{name}: its images have no pixels, received {images.shape}.")


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
