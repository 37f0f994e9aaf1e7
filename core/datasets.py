"""Data sets in core: bytes in memory with their labels, checked once, named by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gandem.core.errors import DataError

__all__ = ["Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Images and, where there are any, labels.

    Attributes:
        name: what a person typed to get it.
        images: uint8 (N, H, W, C).
        labels: int64 (N,) from 0, or None.
        class_names: one a class; empty where there are no labels.
        source: where it comes from, and its licence.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        images = self.images
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
            raise DataError(
                f"{self.name}: expected uint8 images (N, height, width, 1 or 3), "
                f"received {images.dtype} {images.shape}."
            )
        if len(images) == 0:
            raise DataError(f"{self.name}: it has no images.")
        if self.labels is None:
            return
        if self.labels.shape != (len(images),) or self.labels.dtype.kind not in "iu":
            raise DataError(
                f"{self.name}: expected a whole-number label for each of {len(images)} images, "
                f"received {self.labels.dtype} {self.labels.shape}."
            )
        if self.labels.min() < 0:
            raise DataError(f"{self.name}: the label {self.labels.min()} is negative.")

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
        for label in classes:
            if not 0 <= label < self.classes:
                raise DataError(
                    f"{self.name}: there is no class {label}; "
                    f"its classes are 0 to {self.classes - 1}."
                )
        if len(set(classes)) < len(classes):
            raise DataError(f"{self.name}: a class is named twice in {list(classes)}.")
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
