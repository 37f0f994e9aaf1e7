"""Image files: safe opening, orientation, conversion to eight bits, resizing."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["careful", "fit", "open_picture", "suffixes", "why"]

NEVER = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow cannot read by itself; for EPS it would run a program."""
SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@contextlib.contextmanager
def careful() -> Iterator[None]:
    """Turn the warning about images above Pillow's size limit into an error; ignore the others.

    Warning filters are process-wide: enter it once, around all threads.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def suffixes() -> set[str]:
    """Return the supported file suffixes, ``.jpg`` and others."""
    from PIL import Image

    return {end for end, form in Image.registered_extensions().items() if form not in NEVER}


def open_picture(path: Path) -> Image.Image:
    """Return an image file after reading only its header.

    Raises:
        Exception: any error of Pillow; see :func:`why`.
    """
    from PIL import Image

    Image.init()
    if not path.is_file():  # opening a pipe would block
        raise OSError("is not a file" if path.exists() else "is not there")
    return Image.open(path, formats=[name for name in Image.ID if name not in NEVER])


def fit(picture: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    """Return an image as uint8 (H, W, 1 or 3), center-cropped and resized (bicubic).

    The EXIF orientation is applied, transparency is drawn on white, and 16 bits are rounded to 8.

    Raises:
        Exception: any error of Pillow for a damaged file.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    if picture.format == "JPEG":  # decodes at a reduced size
        picture.draft(None, (2 * max(height, width),) * 2)
    upright = ImageOps.exif_transpose(picture)
    plain = _plain(upright).convert("L" if channels == 1 else "RGB")
    if plain.size != (width, height):
        plain = ImageOps.fit(plain, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(plain).reshape(shape)


def _plain(picture: Image.Image) -> Image.Image:
    """Return an image with eight bits and without transparency."""
    from PIL import Image

    if picture.mode in SIXTEEN:
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its values are outside of 0 to 65535")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("its pixels are floats, of a range that the file does not say")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return picture


def why(error: Exception) -> str:
    """Return the reason why an image could not be read, on one line."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no picture that Pillow reads"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit"
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:120] or type(error).__name__
