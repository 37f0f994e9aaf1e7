"""Pictures to optimize: reading files of any kind, masks, and the colors of another picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.image_files import (
    describe_error,
    limit_image_size,
    open_image,
    to_eight_bits,
)
from gandem.core.errors import DataError
from gandem.visualize.images import scale_size

MIN_SIDE = 16
"""The fewest pixels of a side; VGG halves the sides four times."""
MAX_FILE_SIZE = 1 << 28  # bytes
LUMA = np.array([0.299, 0.587, 0.114])
"""The share of red, green and blue in the luminance, ITU-R BT.601."""


def read_picture(source: Path | str | np.ndarray, size: int) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3), upright, with a longer side of ``size`` pixels.

    The EXIF orientation is applied, 16 bits are rounded to 8, transparency is drawn on white, and
    other color spaces, such as CMYK, become RGB.

    Args:
        source: a file, or uint8 (H, W, 1 to 4).

    Raises:
        DataError: it is no picture, or it has a side of too few pixels.
    """
    from PIL import Image

    name, picture = _open(source)
    if min(picture.size) < 2:
        width, height = picture.size
        raise DataError(f"{name}: expected a picture, received {width}×{height} pixels.")
    height, width = scale_size(picture.height, picture.width, size)
    if min(height, width) < MIN_SIDE:
        raise DataError(
            f"{name}: a picture of {picture.width}×{picture.height} pixels becomes "
            f"{width}×{height}; expected at least {MIN_SIDE} per side. Choose a larger size."
        )
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))


def fit_picture(source: Path | str | np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return a picture as uint8 (H, W, 1 or 3), center-cropped and resized to a shape.

    Raises:
        DataError: it is no picture.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    picture = _open(source)[1].convert("L" if channels == 1 else "RGB")
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture).reshape(height, width, -1)


def keep_colors(picture: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Return a picture with its own luminance and the colors of an original, both uint8 (H, W, 3).

    Gatys et al. 2016, "Preserving color in neural artistic style transfer", arXiv:1606.05897,
    section 4.
    """
    shift = (picture.astype(np.float64) - original) @ LUMA
    result: np.ndarray = np.clip(np.round(original + shift[..., None]), 0, 255)
    return result.astype(np.uint8)


def _open(source: Path | str | np.ndarray) -> tuple[str, Any]:
    """Return the name of a picture, and the picture in RGB."""
    from PIL import Image, ImageOps

    try:
        with limit_image_size():
            if isinstance(source, np.ndarray):
                name = "The array"
                if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] > 4:
                    raise ValueError(f"expected uint8 (H, W, 1 to 4), not {source.shape}")
                image = Image.fromarray(source.squeeze(2) if source.shape[2] == 1 else source)
            else:
                path = Path(os.path.expanduser(source))
                name = str(path)
                if path.is_dir():
                    raise ValueError("it is a folder")
                if path.exists() and not path.is_file():  # reading a pipe would block
                    raise ValueError("it is not a file")
                if path.stat().st_size > MAX_FILE_SIZE:
                    raise ValueError(f"more than {MAX_FILE_SIZE >> 20} MiB")
                image = open_image(path.read_bytes())
            return name, to_eight_bits(ImageOps.exif_transpose(image)).convert("RGB")
    except Exception as error:  # damaged files raise many types of errors
        raise DataError(
            f"{name}: cannot be read as a picture ({describe_error(error)})."
        ) from error
