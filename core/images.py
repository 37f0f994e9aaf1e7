"""Images in and out: from a network's numbers to bytes, many images to one grid, and a grid to a
file.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gandem.core.errors import RunError
from gandem.core.files import write_file

__all__ = ["beside", "grid", "save_image", "to_bytes"]


def to_bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return images (N, H, W, C) with values from ``low`` to ``high`` as uint8, rounded, and cut
    off outside.

    >>> to_bytes(np.array([-1.0, 0.0, 1.0, 7.0]), -1, 1)
    array([  0, 128, 255, 255], dtype=uint8)
    """
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.round(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2, zoom: int = 2) -> np.ndarray:
    """Return one image (height, width, 3) that shows many, row by row, on a grey ground.

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
