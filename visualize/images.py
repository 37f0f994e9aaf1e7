"""Pictures made of images: tables with titles, resized images, and PNG files to read."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import flatten_alpha
from gandem.core.errors import RunError

MAX_PIXELS = 30_000_000
"""Pixels of one picture, about 90 MB."""
FONT_SIZE = 14
"""Height of titles, in pixels."""


def check_image_size(height: int, width: int) -> None:
    """Check that a picture is not too large.

    Raises:
        RunError: it is.
    """
    if height * width > MAX_PIXELS or max(height, width) > 65_535:
        raise RunError(
            f"A picture of {width} × {height} pixels is too large; expected at most "
            f"{MAX_PIXELS:,} pixels, and 65,535 per side. Choose fewer or smaller images."
        )


def scale_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width of an image resized to a longer side of ``size`` pixels.

    >>> scale_size(28, 14, 96)
    (96, 48)
    """
    longer = max(height, width)
    return max(1, round(height * size / longer)), max(1, round(width * size / longer))


def scale_images(images: np.ndarray, size: int | None) -> np.ndarray:
    """Return uint8 images (N, H, W, C) resized (bicubic) to a longer side of ``size`` pixels.

    Args:
        size: None leaves the images unchanged.
    """
    from PIL import Image

    count, *sides, channels = images.shape
    height, width = scale_size(sides[0], sides[1], size) if size else sides
    if [height, width] == sides:
        return images
    result = np.empty((count, height, width, channels), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(2) if channels == 1 else image)
        scaled = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        result[index] = scaled.reshape(height, width, channels)
    return result


def draw_table(
    images: np.ndarray, columns: Sequence[str] = (), rows: Sequence[str] = (), gap: int = 4
) -> np.ndarray:
    """Return one picture (height, width, 3) of a table of images, on white.

    Args:
        images: uint8 (rows, columns, H, W, 1 to 4).
        columns: titles above the columns, if any.
        rows: titles beside the rows, if any.

    Raises:
        RunError: it would be too large.
    """
    from PIL import Image, ImageDraw

    images = flatten_alpha(images)
    row_count, column_count, height, width, _ = images.shape
    top_margin = FONT_SIZE + 8 if columns else gap
    left_margin = max((_measure_text(title) for title in rows), default=-gap) + 2 * gap
    cell_width = max([width, *(_measure_text(title) + 4 for title in columns)])
    cell_height = max(height, FONT_SIZE + 4 if rows else 0)
    shape = (
        top_margin + row_count * (cell_height + gap),
        left_margin + column_count * (cell_width + gap),
    )
    check_image_size(*shape)
    canvas = Image.new("RGB", shape[::-1], "white")
    pen = ImageDraw.Draw(canvas)
    for column, title in enumerate(columns):
        middle = left_margin + column * (cell_width + gap) + cell_width / 2
        pen.text((middle, top_margin / 2), title, fill="black", font=load_font(), anchor="mm")
    for row in range(row_count):
        top = top_margin + row * (cell_height + gap)
        for title in rows[row : row + 1]:
            spot = (left_margin - gap, top + cell_height / 2)
            pen.text(spot, title, fill="black", font=load_font(), anchor="rm")
        for column in range(column_count):
            picture = Image.fromarray(np.broadcast_to(images[row, column], (height, width, 3)))
            left = left_margin + column * (cell_width + gap)
            inset = (cell_width - width) // 2, (cell_height - height) // 2
            canvas.paste(picture, (left + inset[0], top + inset[1]))
    return np.asarray(canvas)


def add_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Return a picture (H, W, 3) under a title, white on black, shortened to its width."""
    from PIL import Image, ImageDraw

    height, width, _ = picture.shape
    canvas = Image.new("RGB", (width, height + FONT_SIZE + 8))
    canvas.paste(Image.fromarray(picture), (0, FONT_SIZE + 8))
    while _measure_text(title) > width - 8 and title:
        title = title[:-1]
    middle = (FONT_SIZE + 8) / 2
    ImageDraw.Draw(canvas).text((4, middle), title, fill="white", font=load_font(), anchor="lm")
    return np.asarray(canvas)


def read_image(path: Path) -> np.ndarray:
    """Read a PNG as uint8 (H, W, 3).

    Raises:
        RunError: it cannot be read, is not a PNG, or is too large.
    """
    from PIL import Image

    try:
        if not path.is_file():  # opening a pipe would block
            raise RunError(f"{path}: cannot be read (not a file).")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large images, which are refused below
            with Image.open(path, formats=["PNG"]) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise RunError(f"{path}: too large, {picture.width} × {picture.height} pixels.")
                return np.asarray(picture.convert("RGB"))
    except RunError:
        raise
    except Exception as error:  # invalid files raise many types of errors
        raise RunError(f"{path}: not a PNG, or damaged.") from error


@functools.cache
def load_font(size: int = FONT_SIZE) -> Any:
    """Return the font of titles: DejaVu Sans, which comes with matplotlib.

    Pillow's own has hardly more than ASCII: neither the letters of most names of classes nor ×.
    """
    from PIL import ImageFont

    package = find_spec("matplotlib")  # importing it would take half a second
    folder = Path((package and package.origin) or "").parent
    path = folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size) if path.is_file() else ImageFont.load_default(size)


def _measure_text(text: str) -> int:
    """Return the width of a text in pixels."""
    length: float = load_font().getlength(text)
    return math.ceil(length)
