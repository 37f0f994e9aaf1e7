"""Images in and out: values to bytes, lower resolutions, pictures of many images, and files."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np

from gandem.core.errors import DataError, RunError
from gandem.core.files import write_file


def to_bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return values from ``low`` to ``high`` as uint8, rounded and clipped.

    >>> to_bytes(np.array([-1.0, 0.0, 1.0, 7.0]), -1, 1)
    array([  0, 128, 255, 255], dtype=uint8)
    """
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.clip(np.round(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


def downsample_images(images: np.ndarray, factor: int) -> np.ndarray:
    """Return images whose pixels are the means of blocks of ``factor`` x ``factor`` pixels.

    The numbers of a block are added in a fixed order, so the means are the same on every machine.
    Sums of bytes are exact; only the division rounds.

    Args:
        images: (N, H, W, C), uint8 or floating point.

    Returns:
        (N, H / factor, W / factor, C), float64 for bytes, otherwise the type of the images.

    Raises:
        DataError: the factor does not divide the height and width.

    >>> image = np.array([[1, 2, 5, 5], [3, 5, 5, 5]], np.uint8)
    >>> downsample_images(image[None, ..., None], 2).ravel()
    array([2.75, 5.  ])
    """
    _, height, width, _ = images.shape
    if factor < 1 or height % factor or width % factor:
        raise DataError(
            f"Images of {height}x{width} pixels cannot be downsampled by {factor}; the factor must "
            "divide both."
        )
    whole = np.issubdtype(images.dtype, np.integer)
    total: np.ndarray = images.astype(np.uint32) if whole else images
    total = functools.reduce(np.add, [total[:, i::factor] for i in range(factor)])
    total = functools.reduce(np.add, [total[:, :, i::factor] for i in range(factor)])
    return total / (factor * factor)


def upsample_images(images: np.ndarray, factor: int) -> np.ndarray:
    """Return images (N, H, W, C) whose pixels are repeated ``factor`` times in both directions.

    >>> upsample_images(np.array([[1, 2]])[None, ..., None], 2)[0, ..., 0]
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]])
    """
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def draw_grid(
    images: np.ndarray, columns: int | None = None, gap: int = 2, zoom: int = 2
) -> np.ndarray:
    """Return one picture (height, width, 3) of many images, row by row, on gray.

    Args:
        images: uint8 (N, H, W, 1 to 4).
        columns: images per row; by default the grid is about square.
        gap: pixels between images.
        zoom: whole factor by which each image is enlarged.
    """
    images = flatten_alpha(images)
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    height, width = height * zoom, width * zoom
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 96, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        large = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
        sheet[top : top + height, left : left + width] = large  # one channel becomes three
    return sheet


def flatten_alpha(images: np.ndarray) -> np.ndarray:
    """Return images (…, 1 or 3); transparency, the last of 2 or 4 channels, is drawn on white."""
    if images.shape[-1] in (1, 3):
        return images
    alpha = images[..., -1:].astype(np.float64) / 255
    return np.rint(images[..., :-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def draw_scatter(
    points: np.ndarray,
    background: np.ndarray | None = None,
    window: tuple[float, float] | None = None,
    size: int = 480,
) -> np.ndarray:
    """Return a picture (size, size, 3) of points, by their first two coordinates, on white.

    Args:
        points: (N, D), drawn in a dark color; the second coordinate is 0 if D is 1.
        background: (M, D), drawn behind them in a light color.
        window: lowest and highest coordinate of both axes; by default all points are shown.
    """
    from PIL import Image, ImageDraw

    every = points if background is None else np.concatenate([points, background])
    if window is None:
        extent = max(1e-6, float(np.abs(every[:, :2]).max())) if every.size else 1.0
        window = (-1.1 * extent, 1.1 * extent)
    canvas = Image.new("RGB", (size, size), "white")
    pen, (low, high) = ImageDraw.Draw(canvas), window
    zero = round((0 - low) / (high - low) * (size - 1))
    pen.line([(0, size - 1 - zero), (size, size - 1 - zero)], fill=(228, 228, 228))
    pen.line([(zero, 0), (zero, size)], fill=(228, 228, 228))
    for cloud, color in ((background, (250, 178, 110)), (points, (26, 72, 140))):
        if cloud is None:
            continue
        flat = np.zeros((len(cloud), 2))
        flat[:, : min(2, cloud.shape[1])] = cloud[:, :2]
        flat = flat[np.isfinite(flat).all(1)]
        pixels = np.clip((flat - low) / (high - low), -1.0, 2.0) * (size - 1)
        for x, y in pixels:
            pen.ellipse([x - 1.5, size - 1 - y - 1.5, x + 1.5, size - 1 - y + 1.5], fill=color)
    return np.asarray(canvas)


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) to a PNG, whole or not at all.

    Raises:
        RunError: the path has another suffix, or cannot be written.
    """
    import imageio.v3 as iio

    if path.suffix.lower() != ".png":
        raise RunError(f"{path}: expected a name that ends in .png.")
    write_file(path, iio.imwrite("<bytes>", image, extension=".png"))
