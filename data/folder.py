"""Images in a folder or zip file, of any size, which are resized to the image of a spec."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset, ResizableDataset
from gandem.core.data.image_files import (
    describe_error,
    fit_image,
    has_more_frames,
    is_dark,
    limit_image_size,
    load_formats,
    open_image,
)
from gandem.core.data.summary import DatasetSummary, count_classes, format_few
from gandem.core.errors import DataError, format_count
from gandem.data.folder_contents import Listing, list_images
from gandem.data.image_cache import ImageFiles, map_in_threads, resize_images
from gandem.terminal.progress import ProgressBars


def load(argument: str, data_dir: Path | None) -> Folder:
    """Return the images in a folder or zip file.

    Labels are the names of its subfolders, or come from a table such as ``labels.csv``.

    Args:
        argument: the path, relative to ``data_dir`` if that is given.

    Raises:
        DataError: the folder does not exist, or has no images.
    """
    if not argument:
        raise DataError("folder: expected a path, received none. Use --data folder:PATH.")
    path = (data_dir or Path()) / Path(argument).expanduser()
    name = f"folder:{argument}"
    return Folder(name, list_images(path, name))


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts about one file that a summary counts."""

    size: tuple[int, int]  # width, height
    mode: str
    digest: bytes
    dark: bool
    more_frames: bool


class Folder(ResizableDataset):
    """The images of a folder or zip file, of any sizes."""

    def __init__(self, name: str, listing: Listing) -> None:
        self.name, self.listing = name, listing

    def resize_to(self, shape: tuple[int, ...]) -> Dataset:
        """Return the images cropped and resized to (H, W, C), cached after the first call."""
        listing = self.listing
        files = ImageFiles(
            source=self.name,
            names=listing.files,
            stamps=self._stamps(),
            read=lambda index: self._read(listing.files[index]),
            check=self._check,
        )
        with ProgressBars(unit="images") as bars:
            resized = resize_images(files, shape, bars)
        unread = self._format_errors(resized.errors)
        if resized.images is None:
            raise self._no_image(unread)
        labels, names = _drop_empty_classes(listing, resized.rows)
        problems = [*listing.problems, *unread]
        notes = [f"{len(problems):,} left out: {format_few(problems)}"] if problems else []
        files = [listing.files[index] for index in resized.with_frames]
        return Dataset(
            name=self.name,
            images=resized.images,
            labels=labels,
            class_names=names,
            source=f"the {'folder' if listing.root.is_dir() else 'file'} {listing.root.name!r}",
            notes=tuple(
                f"{self.name}: {note}." for note in (*listing.notes, *notes, *_note_frames(files))
            ),
        )

    def summarize(self, *, quiet: bool = False) -> DatasetSummary:
        """Return a summary of the original images; each file is read once."""
        files, count = self.listing.files, len(self.listing.files)
        facts: dict[str, _Facts] = {}
        errors: dict[int, str] = {}
        load_formats()  # before any thread
        with (
            ProgressBars(quiet=quiet, unit="images") as bars,
            closing(
                map_in_threads(self._inspect, files, lambda n: bars.show("read images", n, count))
            ) as results,
        ):
            for index, result in enumerate(results):
                if isinstance(result, str):
                    errors[index] = result
                else:
                    facts[files[index]] = result
        unread = self._format_errors(errors)
        if not facts:
            raise self._no_image(unread)
        rows = np.array([index for index in range(count) if index not in errors], np.int64)
        first: dict[bytes, str] = {}
        copies = [
            f"{file}: the same file as {first[facts[file].digest]}"
            for file in sorted(facts, key=lambda file: (self.listing.root / file).is_symlink())
            if first.setdefault(facts[file].digest, file) != file
        ]
        dark = [file for file, image in facts.items() if image.dark]
        with_frames = [file for file, image in facts.items() if image.more_frames]
        notes = [f"{len(dark):,} nearly black: {format_few(dark)}"] if dark else []
        return DatasetSummary(
            name=self.name,
            source=str(self.listing.root),
            count=len(facts),
            sizes=dict(Counter(image.size for image in facts.values())),
            modes=dict(Counter(image.mode for image in facts.values())),
            classes=count_classes(*_drop_empty_classes(self.listing, rows)),
            unread=(*self.listing.problems, *unread),
            copies=tuple(copies),
            notes=(*self.listing.notes, *notes, *_note_frames(with_frames)),
        )

    def sample_classes(
        self, count: int, shape: tuple[int, ...]
    ) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class with its name, resized to a shape."""
        labels, names = self.listing.labels, self.listing.class_names
        indices = np.arange(len(self.listing.files))
        with limit_image_size():
            if labels is None:
                return [("", self._read_some(indices, count, shape))]
            return [
                (name, self._read_some(indices[labels == label], count, shape))
                for label, name in enumerate(names)
            ]

    def _read_some(self, rows: np.ndarray, count: int, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Return ``count`` readable images, evenly spread over the rows."""
        images: list[np.ndarray] = []
        spread = rows[np.argsort(np.arange(len(rows)) % max(1, len(rows) // count))]
        for row in spread[: 10 * count]:
            try:
                with open_image(self._read(self.listing.files[row])) as image:
                    images.append(fit_image(image, shape))
            except Exception:  # the summary reports it
                continue
            if len(images) == count:
                break
        return images

    def _read(self, file: str) -> bytes:
        return self.listing.read(file, -1)

    def _inspect(self, file: str) -> _Facts | str:
        """Return the facts of an image, or the reason why it cannot be read."""
        try:
            content = self._read(file)
            with open_image(content) as image:
                is_rotated = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # by 90 degrees
                bands = image.getbands()
                mode = "gray" if len(bands) == 1 and image.mode != "P" else "color"
                if image.has_transparency_data:
                    mode = f"{'gray' if 'L' in bands else 'color'} with transparency"
                return _Facts(
                    image.size[::-1] if is_rotated else image.size,
                    mode,
                    hashlib.blake2b(content, digest_size=16).digest(),
                    is_dark(image),  # decodes the image, which shows if it is damaged
                    has_more_frames(image),
                )
        except Exception as error:  # a damaged file raises many types of errors
            return describe_error(error)

    def _stamps(self) -> str:
        """Return a hash that changes with every file."""
        facts = json.dumps([self.listing.files, self.listing.stamps])
        return hashlib.sha256(facts.encode()).hexdigest()

    def _check(self, index: int) -> None:
        """Check that a file is as it was when the folder was listed.

        Raises:
            DataError: it has been changed or removed.
        """
        file = self.listing.files[index]
        if self.listing.find_stamp(file) != self.listing.stamps[index]:
            raise DataError(
                f"{self.name}: {file!r} has been changed while the images were read. Start again."
            )

    def _format_errors(self, errors: Mapping[int, str]) -> list[str]:
        return [f"{self.listing.files[index]}: {reason}" for index, reason in errors.items()]

    def _no_image(self, unread: list[str]) -> DataError:
        return DataError(
            f"{self.name}: it has {format_count(len(unread), 'image')}, none of which can be read: "
            f"{format_few(unread)}."
        )


def _note_frames(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    return [
        f"{len(files):,} with several frames or pages, of which the first is used: "
        f"{format_few(list(files))}"
    ]


def _drop_empty_classes(
    listing: Listing, rows: np.ndarray
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the labels of the readable images, and the names of their classes."""
    if listing.labels is None:
        return None, ()
    classes, labels = np.unique(listing.labels[rows], return_inverse=True)
    return labels.astype(np.int64), tuple(listing.class_names[label] for label in classes)
