"""Images in and out: from a network's numbers to bytes, many images to one grid, and a grid to a
file.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import RunError
from gandem.core.files import write_file

__all__ = [
    "beside",
    "check_room",
    "fitted",
    "grid",
    "headed",
    "read_picture",
    "resized",
    "save_image",
    "titled",
    "to_bytes",
]

MOST_PIXELS = 30_000_000
"""Pixels of one picture, some 90 MB; more is a slip, or a stranger's."""
LETTERS = 14
"""Height of titles, in pixels."""


def to_bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return images (N, H, W, C) with values from ``low`` to ``high`` as uint8, rounded, and cut
    off outside.

    >>> to_bytes(np.array([-1.0, 0.0, 1.0, 7.0]), -1, 1)
    array([  0, 128, 255, 255], dtype=uint8)
    """
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.round(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2, zoom: int = 2) -> np.ndarray:
    """Return one image (height, width, 3) that shows many, row by row, on a gray ground.

    Args:
        images: uint8 (N, H, W, 1 or 3).
        columns: images in a row; left out, the grid is about square.
        gap: pixels between images.
        zoom: whole factor by which each image is enlarged.
    """
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    height, width = height * zoom, width * zoom
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 96, np.uint8)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        large = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
        sheet[top : top + height, left : left + width] = large  # one channel becomes three
    return sheet


def scatter(
    points: np.ndarray,
    behind: np.ndarray | None = None,
    window: tuple[float, float] | None = None,
    size: int = 480,
) -> np.ndarray:
    """Return a picture (size, size, 3) of points, the first two numbers of each, on white.

    Args:
        points: (N, D), drawn dark; of one number each, against their density's place 0.
        behind: (M, D), drawn pale beneath them.
        window: what both axes show, from and to; left out, all of the points.
    """
    from PIL import Image, ImageDraw

    every = points if behind is None else np.concatenate([points, behind])
    if window is None:
        far = float(np.abs(every[:, :2]).max()) if every.size else 1.0
        window = (-1.1 * max(far, 1e-6), 1.1 * max(far, 1e-6))
    canvas = Image.new("RGB", (size, size), "white")
    pen, (low, high) = ImageDraw.Draw(canvas), window
    zero = round((0 - low) / (high - low) * (size - 1))
    pen.line([(0, size - 1 - zero), (size, size - 1 - zero)], fill=(228, 228, 228))
    pen.line([(zero, 0), (zero, size)], fill=(228, 228, 228))
    for cloud, color in ((behind, (250, 178, 110)), (points, (26, 72, 140))):
        if cloud is None:
            continue
        flat = np.zeros((len(cloud), 2))
        flat[:, : min(2, cloud.shape[1])] = cloud[:, :2]
        flat = flat[np.isfinite(flat).all(1)]
        places = np.clip((flat - low) / (high - low), -1.0, 2.0) * (size - 1)
        for x, y in places:
            pen.ellipse([x - 1.5, size - 1 - y - 1.5, x + 1.5, size - 1 - y + 1.5], fill=color)
    return np.asarray(canvas)


def beside(pictures: list[np.ndarray], titles: list[str], gap: int = 16) -> np.ndarray:
    """Return pictures (H, W, 3) next to each other, each under its title, on white."""
    from PIL import Image, ImageDraw, ImageFont

    head = 28
    height = max(picture.shape[0] for picture in pictures)
    width = sum(picture.shape[1] for picture in pictures) + gap * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, head + height), "white")
    pen, left = ImageDraw.Draw(canvas), 0
    for picture, title in zip(pictures, titles, strict=True):
        pen.text((left + 2, 5), title, fill="black", font=ImageFont.load_default(16))
        canvas.paste(Image.fromarray(picture), (left, head))
        left += picture.shape[1] + gap
    return np.asarray(canvas)


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) to a PNG, whole or not at all.

    Raises:
        RunError: the place cannot be written.
    """
    import imageio.v3 as iio

    if path.suffix.lower() != ".png":
        raise RunError(f"{path}: images are written as .png; choose such a name.")
    write_file(path, iio.imwrite("<bytes>", image, extension=".png"))


def check_room(height: int, width: int) -> None:
    """Raise a :class:`RunError` for a picture larger than anybody wants in memory."""
    if height * width > MOST_PIXELS or max(height, width) > 65_535:
        raise RunError(
            f"A picture of {width} × {height} pixels is too large, the most are "
            f"{MOST_PIXELS:,} with at most 65,535 a side; ask for fewer or smaller images."
        )


def fitted(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width of an image whose longer side becomes ``size``.

    >>> fitted(28, 14, 96)
    (96, 48)
    """
    longer = max(height, width)
    return max(1, round(height * size / longer)), max(1, round(width * size / longer))


def resized(images: np.ndarray, size: int | None) -> np.ndarray:
    """Return uint8 images (N, H, W, C) smoothly scaled, their longer side ``size`` pixels; None
    leaves them as they are.
    """
    from PIL import Image

    count, *sides, channels = images.shape
    height, width = fitted(sides[0], sides[1], size) if size else sides
    if [height, width] == sides:
        return images
    large = np.empty((count, height, width, channels), np.uint8)
    for place, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(2) if channels == 1 else image)
        scaled = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        large[place] = scaled.reshape(height, width, channels)
    return large


def titled(
    images: np.ndarray, columns: Sequence[str] = (), rows: Sequence[str] = (), gap: int = 4
) -> np.ndarray:
    """Return one picture (height, width, 3) of a table of images, on white: a title above each
    column and one beside each row, where there are any.

    Args:
        images: uint8 (rows, columns, H, W, 1 or 3).

    Raises:
        RunError: it would be too large.
    """
    from PIL import Image, ImageDraw

    down, across, height, width, _ = images.shape
    head = LETTERS + 8 if columns else gap
    left = max((_length(words) for words in rows), default=-gap) + 2 * gap
    cell = max([width, *(_length(words) + 4 for words in columns)])
    tall = max(height, LETTERS + 4 if rows else 0)
    shape = head + down * (tall + gap), left + across * (cell + gap)
    check_room(*shape)
    canvas = Image.new("RGB", shape[::-1], "white")
    pen = ImageDraw.Draw(canvas)
    for place, words in enumerate(columns):
        middle = left + place * (cell + gap) + cell / 2
        pen.text((middle, head / 2), words, fill="black", font=_font(), anchor="mm")
    for row in range(down):
        top = head + row * (tall + gap)
        for words in rows[row : row + 1]:
            pen.text((left - gap, top + tall / 2), words, fill="black", font=_font(), anchor="rm")
        for column in range(across):
            picture = Image.fromarray(np.broadcast_to(images[row, column], (height, width, 3)))
            inset = (cell - width) // 2, (tall - height) // 2
            canvas.paste(picture, (left + column * (cell + gap) + inset[0], top + inset[1]))
    return np.asarray(canvas)


def headed(picture: np.ndarray, words: str) -> np.ndarray:
    """Return a picture (H, W, 3) under a line of words, white on black, shortened to its width."""
    from PIL import Image, ImageDraw

    height, width, _ = picture.shape
    canvas = Image.new("RGB", (width, height + LETTERS + 8))
    canvas.paste(Image.fromarray(picture), (0, LETTERS + 8))
    while _length(words) > width - 8 and words:
        words = words[:-1]
    middle = (LETTERS + 8) / 2
    ImageDraw.Draw(canvas).text((4, middle), words, fill="white", font=_font(), anchor="lm")
    return np.asarray(canvas)


def read_picture(path: Path) -> np.ndarray:
    """Read a PNG as uint8 (H, W, 3).

    Raises:
        RunError: it cannot be read, is none, or is too large.
    """
    from PIL import Image

    try:
        if not path.is_file():  # a pipe would be waited for
            raise RunError(f"{path}: cannot be read (no file).")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large ones, which are refused below
            with Image.open(path, formats=["PNG"]) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise RunError(f"{path}: too large, {picture.width} × {picture.height} pixels.")
                return np.asarray(picture.convert("RGB"))
    except RunError:
        raise
    except Exception as error:  # Pillow raises many kinds for files that are no images
        raise RunError(f"{path}: not a PNG, or damaged.") from error


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(LETTERS)


def _length(words: str) -> int:
    """Return how wide a title is, in pixels."""
    length: float = _font().getlength(words)
    return math.ceil(length)
