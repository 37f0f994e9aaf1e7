"""One picture file: opened with care, brought upright, to eight bits, and to a shape."""

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
"""Formats that Pillow names and cannot read by itself; of EPS it would run a program."""
SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@contextlib.contextmanager
def careful() -> Iterator[None]:
    """Make an error of a picture larger than Pillow's limit, and silence of its other warnings.

    Warnings belong to the whole process: enter it once, around all threads.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def suffixes() -> set[str]:
    """Return the endings of names, ``.jpg`` and others, of what is tried as a picture."""
    from PIL import Image

    return {end for end, form in Image.registered_extensions().items() if form not in NEVER}


def open_picture(path: Path) -> Image.Image:
    """Return a picture whose header has been read, and nothing else yet.

    Raises:
        Exception: whatever Pillow raises; :func:`why` says it in words.
    """
    from PIL import Image

    Image.init()
    if not path.is_file():  # a pipe would be waited for
        raise OSError("is not a file" if path.exists() else "is not there")
    return Image.open(path, formats=[name for name in Image.ID if name not in NEVER])


def fit(picture: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    """Return a picture as uint8 (H, W, 1 or 3): upright as its EXIF data says, the largest part
    of the right proportions around its center, resized by bicubic interpolation.

    What is transparent is laid on white; sixteen bits become the nearest of eight.

    Raises:
        Exception: whatever Pillow raises of a damaged file.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    if picture.format == "JPEG":  # reads only as many pixels as a good reduction needs
        picture.draft(None, (2 * max(height, width),) * 2)
    upright = ImageOps.exif_transpose(picture)
    plain = _plain(upright).convert("L" if channels == 1 else "RGB")
    if plain.size != (width, height):
        plain = ImageOps.fit(plain, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(plain).reshape(shape)


def _plain(picture: Image.Image) -> Image.Image:
    """Return a picture of eight bits without transparency."""
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
    """Say on one line why a picture could not be read."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no picture that Pillow reads"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit"
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:120] or type(error).__name__
