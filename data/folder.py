"""The user's images: a folder of image files of any size, resized to the image of a spec."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset, ResizableDataset
from gandem.core.data.summary import DatasetSummary, count_classes
from gandem.core.errors import DataError
from gandem.core.progress import ProgressBars
from gandem.data.listing import Listing, in_short, look_into
from gandem.data.pictures import careful, fit, open_picture, why
from gandem.data.prepared import Prepared, prepare, worked

__all__ = ["Folder", "load"]


def load(argument: str, data_dir: Path | None) -> Folder:
    """Return the images in the folder at ``argument``, a path (in ``data_dir``, if given).

    Labels are the names of its sub-folders, or come from a ``labels.csv`` of ``file,label``.

    Raises:
        DataError: the folder does not exist, or has no images.
    """
    if not argument:
        raise DataError("folder: expected a path, received none. Use --data folder:PATH.")
    path = (data_dir or Path()) / Path(argument).expanduser()
    name = f"folder:{argument}"
    return Folder(name, look_into(path, name))


class Folder(ResizableDataset):
    """The images of a folder, of any sizes."""

    def __init__(self, name: str, listing: Listing) -> None:
        self.name, self.listing = name, listing
        self.paths = [listing.root / file for file in listing.files]

    def resize(self, shape: tuple[int, ...] | None = None) -> Dataset:
        """Return the images cropped and resized to (H, W, C), cached after the first call.

        Raises:
            DataError: no image can be read, or they have several sizes and no shape is given.
        """
        shape = self._own_shape() if shape is None else shape
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise DataError(
                f"{self.name}: images are (height, width, 1 or 3), the spec wants {shape}; "
                "set the image."
            )
        listing = self.listing
        with ProgressBars(unit="images") as bars:
            show = partial(bars.show, "read images", total=len(self.paths))
            made = prepare(self.paths, self._stamps(), shape, lambda done: show(done))
        bad = self._words(made)
        if made.images is None:
            raise DataError(
                f"{self.name}: none of its {len(self.paths)} images can be read: {in_short(bad)}."
            )
        labels, names = _renumbered(listing, made.good)
        problems = [*listing.problems, *bad]
        few = [f"{self.name}: {len(problems)} left out: {in_short(problems)}."] if problems else []
        return Dataset(
            name=self.name,
            images=made.images,
            labels=labels,
            class_names=names,
            source=f"the folder {listing.root.name!r}",
            notes=tuple(few),
        )

    def summarize(self, *, quiet: bool = False) -> DatasetSummary:
        """Return a summary of the original images; each file is read once."""
        sizes: Counter[tuple[int, int]] = Counter()
        modes: Counter[str] = Counter()
        first: dict[bytes, str] = {}
        copies: list[str] = []
        bad: dict[int, str] = {}
        with (
            ProgressBars(quiet=quiet, unit="images") as bars,
            closing(worked(_look_at, self.paths, lambda n: bars.show("look", n, count))) as looks,
        ):
            count = len(self.paths)
            for place, (file, found) in enumerate(zip(self.listing.files, looks, strict=True)):
                if isinstance(found, str):
                    bad[place] = found
                    continue
                size, mode, mark = found
                sizes[size] += 1
                modes[mode] += 1
                if first.setdefault(mark, file) != file:
                    copies.append(f"{file}: the same file as {first[mark]}")
        good = np.array([place for place in range(count) if place not in bad], np.int64)
        if not len(good):
            words = in_short(self._words(Prepared(None, good, bad)))
            raise DataError(f"{self.name}: none of its {count} images can be read: {words}.")
        labels, names = _renumbered(self.listing, good)
        return DatasetSummary(
            name=self.name,
            source=str(self.listing.root),
            count=len(good),
            sizes=dict(sizes),
            modes=dict(modes),
            classes=count_classes(labels, names),
            unread=(*self.listing.problems, *self._words(Prepared(None, good, bad))),
            copies=tuple(copies),
        )

    def sample_classes(
        self, each: int, shape: tuple[int, ...]
    ) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class with its name, resized to a shape."""
        listing = self.listing
        groups = range(len(listing.class_names)) if listing.labels is not None else (None,)
        found = []
        with careful():
            for label in groups:
                places = (
                    np.arange(len(self.paths))
                    if label is None or listing.labels is None
                    else np.flatnonzero(listing.labels == label)
                )
                name = "" if label is None else listing.class_names[label]
                found.append((name, self._first_readable(places, each, shape)))
        return found

    def _first_readable(
        self, places: np.ndarray, wanted: int, shape: tuple[int, ...]
    ) -> list[np.ndarray]:
        made: list[np.ndarray] = []
        spread = places[np.argsort(np.arange(len(places)) % max(1, len(places) // wanted))]
        for place in spread[: 10 * wanted]:
            try:
                with open_picture(self.paths[place]) as picture:
                    made.append(fit(picture, shape))
            except Exception:  # the summary reports it
                continue
            if len(made) == wanted:
                break
        return made

    def _own_shape(self) -> tuple[int, ...]:
        """Return the common shape of the images."""
        summary = self.summarize()
        if len(summary.sizes) > 1:
            common = max(summary.sizes, key=lambda size: summary.sizes[size])
            raise DataError(
                f"{self.name}: its images have {len(summary.sizes)} sizes, most are "
                f"{common[1]}×{common[0]}; say to which shape to fit them."
            )
        ((width, height),) = summary.sizes
        return (height, width, 1 if set(summary.modes) <= {"gray"} else 3)

    def _stamps(self) -> str:
        """Return a hash that changes with every file."""
        hashed = hashlib.sha256()
        for file, stamp in zip(self.listing.files, self.listing.stamps, strict=True):
            hashed.update(json.dumps([file, *stamp]).encode())
        return hashed.hexdigest()

    def _words(self, made: Prepared) -> list[str]:
        return [f"{self.listing.files[place]}: {reason}" for place, reason in made.bad.items()]


def _renumbered(listing: Listing, good: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the labels of the readable images; empty classes are dropped."""
    if listing.labels is None:
        return None, ()
    there, labels = np.unique(listing.labels[good], return_inverse=True)
    return labels.astype(np.int64), tuple(listing.class_names[label] for label in there)


def _look_at(path: Path) -> tuple[tuple[int, int], str, bytes] | str:
    """Return size (width, height), kind and digest of an image, or the reason of a failure."""
    try:
        with open_picture(path) as picture:
            turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # rotated by 90 degrees
            size = picture.size[::-1] if turned else picture.size
            bands = picture.getbands()
            kind = "gray" if len(bands) == 1 and picture.mode != "P" else "color"
            if picture.has_transparency_data:
                kind = f"{'gray' if 'L' in bands else 'color'} with transparency"
            picture.load()
        return size, kind, hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except Exception as error:  # invalid files raise many types of errors
        return why(error)
