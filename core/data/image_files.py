"""Image files: safe opening, orientation, conversion to eight bits, resizing."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from gandem.core.data.summary import DARK_LEVEL, MIN_BRIGHT

if TYPE_CHECKING:
    from PIL import Image

UNSAFE_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow cannot decode itself; it would run an external program to read EPS."""
FORMATS_WITHOUT_FRAMES = {"MPO", "PSD"}
"""Formats whose other frames are previews or layers of the first one."""
SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8")
"""First bytes of JPEG, PNG and GIF. TIFF is left out: raw photos start with the same bytes."""
SIGNATURES_WITHIN = (b"WEBP", b"heic", b"heix", b"mif1", b"avif")
"""Bytes 8 to 11 of formats that start with the size of the file or of a block."""
PLUGINS = (("pillow_heif", "register_heif_opener"), ("pillow_jxl", ""))
"""Packages that add formats to Pillow, with the function to call if an import is not enough."""


@functools.cache
def load_formats() -> tuple[str, ...]:
    """Return the names of the formats to read, with those of the installed plugins of Pillow."""
    from PIL import Image

    Image.init()
    for package, function in PLUGINS:
        with contextlib.suppress(Exception):  # third-party packages
            module = import_module(package)
            if function:
                getattr(module, function)()
    return tuple(name for name in Image.ID if name not in UNSAFE_FORMATS)


@functools.cache
def find_suffixes() -> frozenset[str]:
    """Return the supported file suffixes, ``.jpg`` and others."""
    from PIL import Image

    formats = load_formats()
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, name in known if name in formats)


def has_image_signature(start: bytes) -> bool:
    """Return True if a file that starts like this is a common image, whatever its name."""
    return start.startswith(SIGNATURES) or start[8:12] in SIGNATURES_WITHIN


@contextlib.contextmanager
def limit_image_size() -> Iterator[None]:
    """Turn the warning about images above Pillow's size limit into an error; ignore the others.

    Warning filters apply to the whole process, so enter this context once, around all threads.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def open_image(content: bytes) -> Image.Image:
    """Return the image in a file's content; only its header is decoded.

    Raises:
        Exception: any error of Pillow; see :func:`describe_error`.
    """
    from PIL import Image

    return Image.open(io.BytesIO(content), formats=load_formats())


def fit_image(image: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    """Return an image as uint8 (H, W, 1 to 4), center-cropped and resized (bicubic).

    The EXIF orientation is applied, and 16 bits are rounded to 8. Transparency is kept as the last
    of two or four channels, and drawn on white otherwise.

    Raises:
        Exception: any error of Pillow for a damaged file.
    """
    from PIL import Image, ImageOps

    height, width, channels = shape
    if image.format == "JPEG":  # decodes at a reduced size
        image.draft(None, (2 * max(height, width),) * 2)
    upright = ImageOps.exif_transpose(image)
    plain = to_eight_bits(upright, alpha=channels in (2, 4))
    if plain.mode in ("LAB", "HSV"):  # Pillow cannot convert them to gray
        plain = plain.convert("RGB")
    if channels == 2:  # not every mode has a conversion to it
        plain = plain.convert("RGBA")
    plain = plain.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
    if plain.size != (width, height):
        plain = ImageOps.fit(plain, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(plain).reshape(shape)


def to_eight_bits(image: Image.Image, *, alpha: bool = False) -> Image.Image:
    """Return an image with eight bits; transparency is drawn on white unless ``alpha``.

    Raises:
        Exception: its values have no known range, or any error of Pillow.
    """
    from PIL import Image

    if image.mode in SIXTEEN_BIT_MODES:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its values are outside of 0 to 65535")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floats, whose range the file does not define")
    if image.has_transparency_data and not alpha:
        layer = image.convert("RGBA")
        background = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(background, layer).convert("RGB")
    return image


def is_dark(image: Image.Image) -> bool:
    """Return True if an image is nearly black after its conversion to eight bits."""
    levels = to_eight_bits(image).convert("RGB").convert("L").histogram()
    return sum(levels[DARK_LEVEL:]) < MIN_BRIGHT * sum(levels)


def has_more_frames(image: Image.Image) -> bool:
    """Return True if a file has more than one frame or page; only the first is read."""
    try:
        return image.format not in FORMATS_WITHOUT_FRAMES and getattr(image, "is_animated", False)
    except Exception:  # the second frame may be damaged
        return False


def describe_error(error: Exception) -> str:
    """Return the reason why an image could not be read, on one line."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image that Pillow reads"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit"
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split())[:120] or type(error).__name__
