"""Data sets: images or points with their labels, checked once and identified by a digest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.lazy_images import LazyImages, hash_images
from gandem.core.data.summary import DatasetSummary, describe_brightness, format_few
from gandem.core.errors import ClashError, DataError, NotFoundError, printable, suggest
from gandem.core.plugins.isolation import stdout_to_stderr
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import registry

CHANNELS = (1, 2, 3, 4)
"""Gray, gray with transparency, color, and color with transparency."""
MAX_CLASSES = 100_000
"""The limit of a spec."""
MAX_CLASSES_LISTED = 20
"""Classes that a message lists for ``--classes``, or that a picture shows."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images or points, with optional labels.

    Attributes:
        name: the name the user typed.
        images: uint8 (N, H, W, C) with 1 to 4 channels, an array or :class:`LazyImages`; or
            points, float32 (N, D).
        labels: integers (N,) from 0, or None.
        class_names: one per class; empty if unknown.
        source: the origin of the data.
        license: the license of the data.
        notes: messages for the user, like files that could not be read.
        classes_are_modes: the classes of images are the modes of a known distribution, which
            scores count; those of points always are.
    """

    name: str
    images: np.ndarray | LazyImages
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    source: str = ""
    license: str = ""
    notes: tuple[str, ...] = ()
    classes_are_modes: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(map(printable, self.notes)))
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

    @property
    def modes(self) -> int:
        """Number of modes that scores count, 0 if the classes are not modes."""
        return self.classes if self.classes_are_modes or self.images.ndim == 2 else 0

    @property
    def empty_classes(self) -> tuple[int, ...]:
        """Numbers of the classes without images."""
        if self.labels is None:
            return ()
        return tuple(np.flatnonzero(np.bincount(self.labels) == 0).tolist())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape, pixels and labels; data sets with equal digests train equally."""
        if isinstance(self.images, LazyImages):
            return self.images.digest(self.labels)
        return hash_images(self.images, self.labels)

    def select_classes(self, classes: Sequence[int | str]) -> Dataset:
        """Return the images of some classes, relabeled 0, 1, … in the order given.

        Args:
            classes: numbers or names.

        Raises:
            DataError: the data has no labels, or a class has no images.
        """
        if self.labels is None:
            raise DataError(f"{self.name}: it has no labels, so no classes can be chosen.")
        if not classes:
            raise DataError(
                f"{self.name}: no class is chosen; its classes are 0 to {self.classes - 1}."
            )
        chosen = [self.find_class(each) for each in classes]
        if len(set(chosen)) < len(chosen):
            raise DataError(f"{self.name}: a class is named twice in {list(classes)}.")
        for label in chosen:
            if label not in self.labels:
                raise DataError(f"{self.name}: it has no images of class {label}.")
        new = np.full(self.classes, -1, np.int64)
        new[chosen] = np.arange(len(chosen))
        kept = new[self.labels] >= 0
        names = tuple(self.class_names[label] for label in chosen) if self.class_names else ()
        return replace(
            self,
            name=f"{self.name}[{','.join(map(str, chosen))}]",
            images=self.images.select(kept)
            if isinstance(self.images, LazyImages)
            else self.images[kept],
            labels=new[self.labels[kept]],
            class_names=names,
        )

    def find_class(self, which: int | str) -> int:
        """Return the number of a class.

        Args:
            which: its number, or its name, which counts if there is no class of that number.

        Raises:
            DataError: there is no such class.
        """
        names = self.class_names
        if not isinstance(which, str) and 0 <= which < self.classes:
            return int(which)
        if str(which) in names and names.index(str(which)) < self.classes:
            return names.index(str(which))
        near = suggest(which, names) if isinstance(which, str) else ""
        raise DataError(
            f"{self.name}: there is no class {which!r}; its classes are 0 to {self.classes - 1}."
            f"{near}"
        )

    def describe_problems(self) -> list[str]:
        """Return likely problems for a training: empty classes, dark or blank images."""
        problems = []
        if empty := self.empty_classes:
            rest = sorted(set(range(self.classes)) - set(empty))
            remedy = f"choose the others with --classes {','.join(map(str, rest))}"
            if len(rest) > MAX_CLASSES_LISTED:
                remedy = "renumber the labels: np.unique(labels, return_inverse=True)[1]"
            named = [self.class_names[label] if self.class_names else str(label) for label in empty]
            problems.append(
                f"{len(empty):,} of {self.classes:,} classes without any image: "
                f"{format_few(list(map(repr, named)))}; {remedy}"
            )
        if self.images.ndim == 4:
            problems += describe_brightness(self.images)
        return problems


class ResizableDataset(ABC):
    """Images of several sizes, which become a :class:`Dataset` when resized to one shape.

    A loader may return it instead of a :class:`Dataset`.
    """

    name: str

    @abstractmethod
    def resize_to(self, shape: tuple[int, ...]) -> Dataset:
        """Return the images cropped and resized to (H, W, C), C of 1 to 4.

        Raises:
            DataError: no image can be read.
        """

    def resize(self, shape: tuple[int, ...] | None = None) -> Dataset:
        """Return the images cropped and resized to (H, W, C); by default their common shape.

        Raises:
            DataError: no image can be read, or they have several sizes and no shape is given.
        """
        shape = self._find_shape() if shape is None else shape
        if len(shape) != 3 or shape[2] not in CHANNELS:
            raise DataError(
                f"{self.name}: images are (height, width, 1 to 4), the spec has {shape}; "
                "set the image."
            )
        return self.resize_to(shape)

    def _find_shape(self) -> tuple[int, ...]:
        """Return the common shape of the images."""
        summary = self.summarize()
        if len(summary.sizes) > 1:
            common = max(summary.sizes, key=lambda size: summary.sizes[size])
            raise DataError(
                f"{self.name}: its images have {len(summary.sizes)} sizes, most are "
                f"{common[1]}×{common[0]}; choose a shape to resize them to."
            )
        ((width, height),) = summary.sizes
        return (height, width, 1 if set(summary.modes) <= {"gray"} else 3)

    @abstractmethod
    def summarize(self, *, quiet: bool = False) -> DatasetSummary:
        """Return a summary of the original images; ``quiet`` shows no progress."""

    @abstractmethod
    def sample_classes(
        self, count: int, shape: tuple[int, ...]
    ) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class with its name, resized to a shape."""


def sample_classes(dataset: Dataset, count: int) -> list[tuple[str, list[np.ndarray]]]:
    """Return the first images of each class with its name; without labels, a square of images."""
    if dataset.labels is None:
        return [("", list(dataset.images[: count * count]))]
    groups = []
    for label in np.unique(dataset.labels)[:MAX_CLASSES_LISTED]:
        rows = np.flatnonzero(dataset.labels == label)[:count]
        name = dataset.class_names[label] if dataset.class_names else str(label)
        groups.append((name, list(dataset.images[rows])))
    return groups


# --- loading ---------------------------------------------------------------------------------


def load_dataset(
    name: str,
    data_dir: Path | str | None = None,
    shape: tuple[int, ...] | None = None,
    classes: Sequence[int | str] | None = None,
) -> Dataset:
    """Return the data set called ``"name"`` or ``"name:argument"``.

    Args:
        data_dir: the folder with its files.
        shape: (H, W, C) that images of several sizes are resized to.
        classes: the classes to keep, numbers or names, renumbered from 0; all if left out or
            empty.

    Raises:
        NotFoundError: the data set does not exist.
        DataError: it cannot be read or downloaded, or lacks a class.
    """
    loaded = find_dataset(name, Path(data_dir) if data_dir else None)
    dataset = loaded.resize(shape) if isinstance(loaded, ResizableDataset) else loaded
    dataset = dataset.select_classes(classes) if classes else dataset
    problems = [f"{dataset.name}: {problem}." for problem in dataset.describe_problems()]
    return replace(dataset, notes=(*dataset.notes, *problems)) if problems else dataset


def find_dataset(name: str, data_dir: Path | None = None) -> Dataset | ResizableDataset:
    """Return a data set as its loader does, without resizing.

    Raises:
        NotFoundError, DataError: as :func:`load_dataset`.
    """
    head, _, argument = name.partition(":")
    try:
        entry = registry().find("datasets", head)
    except NotFoundError as error:
        if (full := name_path(name)) is not None:
            raise NotFoundError(f"No data set named {name!r}. Use --data {full}.") from None
        raise error
    load = import_target(entry)
    with stdout_to_stderr():
        dataset = load(argument, data_dir)
    if not isinstance(dataset, Dataset | ResizableDataset):
        raise DataError(f"The {entry.full_name} returned {type(dataset).__name__}.")
    return dataset


def name_path(path: str) -> str | None:
    """Return the data set name of an existing folder or file, ``"folder:PATH"`` or ``"npz:PATH"``.

    Returns:
        None if it does not exist, or is another file.
    """
    try:
        place = Path(path).expanduser()
        is_folder = place.is_dir() or (place.suffix.lower() == ".zip" and place.is_file())
        is_file = place.suffix.lower() in (".npz", ".npy") and place.is_file()
    except (OSError, ValueError, RuntimeError):  # an invalid name, or no home
        return None
    return f"folder:{path}" if is_folder else f"npz:{path}" if is_file else None


def default_extractor(name: str) -> str:
    """Return the default extractor of a data set: that of its entry, or ``"pixels"``."""
    head = name.partition(":")[0].partition("[")[0]
    try:
        return registry().find("datasets", head).extractor or "pixels"
    except (NotFoundError, ClashError):  # a plugin's data set may have another name than its entry
        return "pixels"


# --- checks ----------------------------------------------------------------------------------


def _check_images(name: str, images: Any) -> None:
    is_array = isinstance(images, np.ndarray | LazyImages)
    if is_array and images.ndim == 2 and images.dtype == np.float32:
        _check_points(name, images)
        return
    if (
        not is_array
        or images.ndim != 4
        or images.dtype != np.uint8
        or images.shape[3] not in CHANNELS
    ):
        raise DataError(
            f"{name}: expected uint8 images (N, height, width, 1 to 4), "
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
