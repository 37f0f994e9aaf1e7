"""From rows to arrays: images as bytes, channels last, all of one size, and labels from 0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from gandem.core.errors import DataError, shown
from PIL import Image, ImageOps

from gandem_hf.request import Request

if TYPE_CHECKING:
    import datasets

__all__ = ["classes", "pixels"]

LIMIT = 8 << 30  # bytes of all images: they are kept in memory
GRAY = ("1", "L", "LA")
DEEP = ("I", "F")  # and I;16, I;16B: more than a byte for each pixel


def pixels(table: datasets.Dataset, column: str, request: Request, name: str) -> np.ndarray:
    """Return the images of a column, uint8 (N, H, W, 1 or 3).

    Gray ones have one channel, others three; what is transparent becomes white.  With a size, the
    middle of each image is cropped to its shape and scaled.

    Raises:
        DataError: one cannot be read, has another size than the first, or is the first in color.
    """
    from datasets.utils import tqdm

    if not len(table):
        raise DataError(f"{name}: it has no images.")
    images, rows = None, iter(table)
    for number in tqdm(range(len(table)), desc="Decoding", unit=" images", leave=False):
        where = f"{name}: image {number}"
        picture = _picture(rows, column, where)
        if images is None:
            channels = request.channels or (1 if picture.mode == "L" else 3)
            height, width = request.size or (picture.height, picture.width)
            images = _room((len(table), height, width, channels), name)
        if request.size:
            picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
        if picture.size != (width, height):
            raise DataError(
                f"{where} is {picture.height}x{picture.width}, the first is {height}x{width}; "
                "bring all to one size, like size=32x32."
            )
        if picture.mode == "RGB" and channels == 1 and request.channels is None:
            raise DataError(
                f"{where} is in color, those before are gray; write channels=3 or channels=1."
            )
        picture = picture.convert("L" if channels == 1 else "RGB")
        images[number] = np.asarray(picture).reshape(height, width, channels)
    return images


def _picture(rows: Iterator[dict[str, Any]], column: str, where: str) -> Image.Image:
    """Return the image of the next row, in mode L or RGB."""
    try:
        picture = next(rows)[column]
    except Exception as error:  # of whatever decodes it
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{where} cannot be read ({words}).") from error
    if picture is None:
        raise DataError(f"{where} is missing.")
    if picture.mode.partition(";")[0] in DEEP:
        raise DataError(f"{where} has more than 8 bits ({picture.mode}); convert it beforehand.")
    with picture:  # a GIF keeps its file open
        gray = picture.mode in GRAY
        if picture.has_transparency_data:
            paper = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(paper, picture.convert("RGBA"))
        return picture.convert("L" if gray else "RGB")


def _room(shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return memory for the images, if it is not too much."""
    size = math.prod(shape)
    if size > LIMIT:
        raise DataError(
            f"{name}: {shape[0]} images of {shape[1]}x{shape[2]} take {size / (1 << 30):.0f} GiB, "
            f"{LIMIT >> 30} are allowed; take fewer, split=train[:10000], or smaller, size=64x64."
        )
    return np.empty(shape, np.uint8)


def classes(table: datasets.Dataset, column: str, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the labels of a column, int64 (N,), and the names of the classes.

    Names are those of the column, or the texts themselves, in order; numbers have no names.

    Raises:
        DataError: a label is missing, or is neither a whole number from 0 on nor a text.
    """
    values: list[Any] = table[column][:]
    names = tuple(getattr(table.features[column], "names", None) or ())
    kind = str if isinstance(next(iter(values), None), str) else int
    for number, value in enumerate(values):
        if not isinstance(value, kind) or (kind is int and value < 0):
            raise DataError(
                f"{name}: expected a text or a whole number from 0 on in the column {column!r}, "
                f"received {shown(value)} for image {number}; leave the labels out with label=none."
            )
    if kind is str:
        names = tuple(sorted(set(values)))
        place = {text: number for number, text in enumerate(names)}
        values = [place[value] for value in values]
    return np.array(values, np.int64), names
