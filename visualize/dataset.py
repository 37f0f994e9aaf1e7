"""A data set before training: its summary, and a picture of some samples."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import (
    Dataset,
    ResizableDataset,
    find_dataset,
    name_path,
    sample_classes,
)
from gandem.core.data.disk_images import DiskImages
from gandem.core.data.images import draw_scatter, flatten_alpha, save_image
from gandem.core.data.lazy_images import HASH_CHUNK_SIZE
from gandem.core.data.prepared import VARIABLE, Prepared, list_prepared
from gandem.core.data.summary import DatasetSummary, count_classes, describe_brightness
from gandem.core.errors import DataError
from gandem.core.files import check_file
from gandem.core.plugins.registry import registry
from gandem.visualize.images import load_font

MAX_CLASSES_DRAWN = 20
MIN_SIDE_DRAWN = 56
"""Pixels; smaller images are enlarged to about this size."""
MODES = {1: "gray", 2: "gray with transparency", 3: "color", 4: "color with transparency"}
SAMPLE_SHAPE = (64, 64, 3)
"""The shape that images of several sizes are resized to."""


def inspect_dataset(
    name: str,
    data_dir: Path | None = None,
    *,
    count: int = 10,
    out: Path | None = None,
    quiet: bool = False,
) -> DatasetSummary:
    """Return the summary of a data set, and write a picture of some samples.

    Args:
        name: a name as in :func:`gandem.core.data.dataset.load_dataset`, or the path of a folder.
        count: images per class in the picture.
        out: the ``.png`` file to write, if any.
        quiet: show no progress.

    Raises:
        GandemError: the data set does not exist, or the picture cannot be written.
    """
    if out is not None:
        check_file(out, {".png": ""})
    dataset = find_dataset(_full_name(name), data_dir)
    if isinstance(dataset, ResizableDataset):
        summary = dataset.summarize(quiet=quiet)
        if out is not None:
            save_image(out, draw_sheet(dataset.sample_classes(count, SAMPLE_SHAPE), count))
    else:
        summary = summarize(dataset)
        if out is not None:
            save_image(out, draw_dataset(dataset, count))
    return summary


def prepare_dataset(name: str, shape: tuple[int, ...], data_dir: Path | None = None) -> Prepared:
    """Resize the images of a data set and store them, as a training does when it starts.

    Args:
        name, data_dir: as for :func:`inspect_dataset`.
        shape: (H, W, C).

    Raises:
        GandemError: the data set does not exist, or its images have one size, or cannot be stored.
    """
    dataset = find_dataset(_full_name(name), data_dir)
    if not isinstance(dataset, ResizableDataset):
        raise DataError(f"{name}: its images are not files of any size and need no preparation.")
    images = dataset.resize(shape).images
    if not isinstance(images, DiskImages):
        raise DataError(f"Nothing is stored, since {VARIABLE} is 0.")
    return next(each for each in list_prepared() if each.folder == images.path.parent)


def _full_name(name: str) -> str:
    """Return the data set name for a name or a path alone."""
    heads = [entry.id for entry in registry().entries("datasets")]
    head = name.partition(":")[0]
    if head in heads or any(known.rpartition("/")[2] == head for known in heads):
        return name
    is_path = name.startswith(("~", ".")) or (":" not in name and os.sep in name)
    return name_path(name) or (f"folder:{name}" if is_path else name)


def summarize(dataset: Dataset) -> DatasetSummary:
    """Return the summary of a data set; rows with equal bytes count as copies."""
    count, shape = len(dataset.images), dataset.shape
    seen: dict[bytes, int] = {}
    copies = []
    for start in range(0, count, HASH_CHUNK_SIZE):
        for row, image in enumerate(dataset.images[start : start + HASH_CHUNK_SIZE], start):
            digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
            if (first := seen.setdefault(digest, row)) != row:
                copies.append(f"row {row}: the same as row {first}")
    images = len(shape) == 3
    return DatasetSummary(
        name=dataset.name,
        source=dataset.source or "an unknown source",
        count=count,
        sizes={(shape[1], shape[0]): count} if images else {},
        modes={MODES[shape[2]]: count} if images else {},
        classes=count_classes(dataset.labels, dataset.class_names),
        copies=tuple(copies),
        notes=(
            *(note.removeprefix(f"{dataset.name}: ").removesuffix(".") for note in dataset.notes),
            *(describe_brightness(dataset.images) if images else ()),
        ),
        points=0 if images else shape[0],
    )


def draw_sheet(groups: list[tuple[str, list[np.ndarray]]], columns: int) -> np.ndarray:
    """Return a picture (height, width, 3) with rows of images per group, labeled by its name.

    Args:
        groups: names with images, uint8 (H, W, 1 to 4), all of one shape.
        columns: images per row.
    """
    from PIL import Image, ImageDraw

    groups = [group for group in groups if group[1]][:MAX_CLASSES_DRAWN]
    height, width, _ = groups[0][1][0].shape
    zoom = max(1, MIN_SIDE_DRAWN // max(height, width))
    height, width, gap = height * zoom, width * zoom, 2
    font = load_font(14)
    names = [_shorten(name) for name, _ in groups]
    margin = max(int(font.getlength(name)) + 12 if name else 0 for name in names)
    depths = [-(-len(images) // columns) for _, images in groups]
    size = (margin + columns * (width + gap) + gap, sum(depths) * (height + gap) + gap)
    canvas = Image.new("RGB", size, (96, 96, 96))
    pen, top = ImageDraw.Draw(canvas), gap
    for (_, images), name, depth in zip(groups, names, depths, strict=True):
        pen.text((6, top + max(0, height // 2 - 9)), name, fill="white", font=font)
        for index, image in enumerate(images):
            row, column = divmod(index, columns)
            large = flatten_alpha(image).repeat(zoom, axis=0).repeat(zoom, axis=1)
            large = large.repeat(3, axis=2) if large.shape[2] == 1 else large
            spot = (margin + gap + column * (width + gap), top + row * (height + gap))
            canvas.paste(Image.fromarray(large), spot)
        top += depth * (height + gap)
    return np.asarray(canvas)


def draw_dataset(dataset: Dataset, count: int) -> np.ndarray:
    """Return a picture of a data set: images of each class, or all points."""
    if len(dataset.shape) == 1:
        return draw_scatter(np.asarray(dataset.images))
    return draw_sheet(sample_classes(dataset, count), count)


def _shorten(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= 24 else f"{plain[:23]}…"
