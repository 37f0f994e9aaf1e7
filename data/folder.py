"""A person's own images: a folder of picture files of any size, fitted to a spec's image."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset, Fittable
from gandem.core.data.summary import Survey, count_of_classes
from gandem.core.errors import DataError
from gandem.core.progress import Bars
from gandem.data.listing import Listing, in_short, look_into
from gandem.data.pictures import careful, fit, open_picture, why
from gandem.data.prepared import Prepared, prepare, worked

__all__ = ["Folder", "load"]


def load(argument: str, data_dir: Path | None) -> Folder:
    """Return the pictures in the folder at ``argument``, a path (in ``data_dir``, if given).

    Labels are the names of its sub-folders, or stand in a ``labels.csv`` of ``file,label``.

    Raises:
        DataError: there is no such folder, or it has no pictures.
    """
    if not argument:
        raise DataError("folder: expected a path, received none. Use --data folder:PATH.")
    path = (data_dir or Path()) / Path(argument).expanduser()
    name = f"folder:{argument}"
    return Folder(name, look_into(path, name))


class Folder(Fittable):
    """The pictures of a folder, of any sizes, before they are fitted to a shape."""

    def __init__(self, name: str, listing: Listing) -> None:
        self.name, self.listing = name, listing
        self.paths = [listing.root / file for file in listing.files]

    def fitted(self, shape: tuple[int, ...] | None = None) -> Dataset:
        """Return the pictures cut and resized to (H, W, C); the first time this takes a while, and
        the outcome is kept in the cache.

        Raises:
            DataError: none can be read, or there are several sizes and no shape.
        """
        shape = self._own_shape() if shape is None else shape
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise DataError(
                f"{self.name}: images are (height, width, 1 or 3), the spec wants {shape}; "
                "set the image."
            )
        listing = self.listing
        with Bars(unit="images") as bars:
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

    def survey(self, *, quiet: bool = False) -> Survey:
        """Return what the pictures are, each of them read once, and what is wrong with some."""
        sizes: Counter[tuple[int, int]] = Counter()
        modes: Counter[str] = Counter()
        first: dict[bytes, str] = {}
        copies: list[str] = []
        bad: dict[int, str] = {}
        with (
            Bars(quiet=quiet, unit="images") as bars,
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
        return Survey(
            name=self.name,
            source=str(self.listing.root),
            count=len(good),
            sizes=dict(sizes),
            modes=dict(modes),
            classes=count_of_classes(labels, names),
            unread=(*self.listing.problems, *self._words(Prepared(None, good, bad))),
            copies=tuple(copies),
        )

    def some(self, each: int, shape: tuple[int, ...]) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few pictures of each class by its name, all of one shape."""
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
            except Exception:  # the survey says so
                continue
            if len(made) == wanted:
                break
        return made

    def _own_shape(self) -> tuple[int, ...]:
        """Return the shape of the pictures if all have one."""
        survey = self.survey()
        if len(survey.sizes) > 1:
            common = max(survey.sizes, key=lambda size: survey.sizes[size])
            raise DataError(
                f"{self.name}: its images have {len(survey.sizes)} sizes, most are "
                f"{common[1]}×{common[0]}; say to which shape to fit them."
            )
        ((width, height),) = survey.sizes
        return (height, width, 1 if set(survey.modes) <= {"gray"} else 3)

    def _stamps(self) -> str:
        """Return what changes whenever a file does."""
        hashed = hashlib.sha256()
        for file, stamp in zip(self.listing.files, self.listing.stamps, strict=True):
            hashed.update(json.dumps([file, *stamp]).encode())
        return hashed.hexdigest()

    def _words(self, made: Prepared) -> list[str]:
        return [f"{self.listing.files[place]}: {reason}" for place, reason in made.bad.items()]


def _renumbered(listing: Listing, good: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the labels of the pictures that can be read; a class without any has none."""
    if listing.labels is None:
        return None, ()
    there, labels = np.unique(listing.labels[good], return_inverse=True)
    return labels.astype(np.int64), tuple(listing.class_names[label] for label in there)


def _look_at(path: Path) -> tuple[tuple[int, int], str, bytes] | str:
    """Return size (width, height), kind and a digest of a picture, or why it cannot be read."""
    try:
        with open_picture(path) as picture:
            turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # lies on its side
            size = picture.size[::-1] if turned else picture.size
            bands = picture.getbands()
            kind = "gray" if len(bands) == 1 and picture.mode != "P" else "color"
            if picture.has_transparency_data:
                kind = f"{'gray' if 'L' in bands else 'color'} with transparency"
            picture.load()
        return size, kind, hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except Exception as error:  # a hostile file raises nearly anything
        return why(error)
