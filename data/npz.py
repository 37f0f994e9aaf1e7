"""The user's images and labels in a NumPy ``.npz`` file, with strict checks."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError

__all__ = ["load"]

NAMES = (("images", "labels"), ("x", "y"), ("x_train", "y_train"))
MAX_ARRAY_SIZE = 8 << 30  # bytes; a small zip file can unpack to more than the memory
MAX_CLASSES = 1 << 16  # larger labels are row numbers or hashes, not classes
MAX_POINT_SIZE = 64  # longer rows are flattened images
CHUNK_SIZE = 1024  # images converted at a time, to limit memory


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the images and labels of the file at ``argument``, a path (in ``data_dir``, if given).

    The arrays are ``images`` (N, H, W) or (N, H, W, 1 or 3) and optional ``labels`` (N,); or ``x``
    and ``y``, or ``x_train`` and ``y_train``. Images are integers from 0 to 255, or floats in
    [0, 1], or in [-1, 1] if any is negative, which are rounded to bytes.

    Floats (N, D) with D up to 64 are points and are not converted.

    Raises:
        DataError: the file does not exist, or its contents are invalid.
    """
    if not argument:
        raise DataError("npz: expected a file, received none. Use --data npz:FILE.npz.")
    path = (data_dir or Path()) / Path(argument).expanduser()
    name = f"npz:{argument}"
    images, labels = _arrays(path, name)
    points = images.ndim == 2 and images.dtype.kind == "f" and images.shape[1] <= MAX_POINT_SIZE
    pixels = images.astype("f4") if points else _pixels(_channels_last(images, name), name)
    classes = None if labels is None else _classes(labels, len(pixels), name)
    return Dataset(
        name=name,
        images=np.ascontiguousarray(pixels),
        labels=classes,
        class_names=() if classes is None else tuple(map(str, range(int(classes.max()) + 1))),
        source=f"the file {path.name!r}",
    )


def _arrays(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the images, and the labels or None, as stored."""
    if not path.is_file():
        state = "is a folder" if path.is_dir() else "is not there"
        raise DataError(f"{name}: {str(path)!r} {state}; expected an .npz file.")
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # invalid files raise many types of errors
        raise DataError(
            f"{name}: it is not an .npz file ({_short(error)}). "
            f"Make one with np.savez(FILE, images=images, labels=labels)."
        ) from error
    with archive:
        held = [member.removesuffix(".npy") for member in archive.namelist()]
        for images, labels in NAMES:
            if images in held:
                second = _array(archive, labels, name) if labels in held else None
                return _array(archive, images, name), second
    raise DataError(
        f"{name}: expected an array 'images' (or 'x', or 'x_train'), "
        f"received {', '.join(map(repr, held[:8])) or 'an empty file'}."
    )


def _array(archive: zipfile.ZipFile, key: str, name: str) -> np.ndarray:
    """Return one array after a check of its header: plain numbers, not too large."""
    where = f"{name}: {key!r}"
    try:
        with archive.open(f"{key}.npy") as member:
            shape, dtype, start = _header(member)
        size = math.prod(shape) * dtype.itemsize
        stored = archive.getinfo(f"{key}.npy").file_size - start
    except Exception as error:  # as above
        raise DataError(f"{where} cannot be read ({_short(error)}). Save it again.") from error
    if dtype.kind not in "buif":
        raise DataError(
            f"{where} holds {dtype}, which is not read (objects are never unpickled); "
            f"expected numbers. Save it with .astype(np.uint8)."
        )
    if size > MAX_ARRAY_SIZE:
        raise DataError(
            f"{where} unpacks to more than {MAX_ARRAY_SIZE >> 30} GiB. "
            f"Save fewer images, or save them as uint8."
        )
    if size != stored:
        raise DataError(f"{where} has {stored} bytes, expected {size}. Save it again.")
    try:
        with archive.open(f"{key}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    except Exception as error:  # as above
        raise DataError(f"{where} is damaged ({_short(error)}). Save it again.") from error


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return shape and dtype of a ``.npy`` file, and the offset of its values."""
    read = {  # 3.0 is only for named fields
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(member)]
    shape, _, dtype = read(member)
    if min(shape, default=0) < 0:
        raise ValueError("a size is negative")
    return shape, dtype, member.tell()


def _channels_last(images: np.ndarray, name: str) -> np.ndarray:
    """Return the images as (N, H, W, C); errors suggest how to convert them."""
    shape = images.shape
    if images.ndim == 3:
        images = images[..., None]  # (N, H, W, 1)
    elif images.ndim != 4 or shape[3] not in (1, 3):
        first = images.ndim == 4 and shape[1] in (1, 3)
        cure = "images.transpose(0, 2, 3, 1)" if first else "images.reshape(N, H, W, C)"
        problem = "whose channels come first" if first else "which has not that form"
        raise DataError(
            f"{name}: expected images (N, H, W) or (N, H, W, 1 or 3), received {shape}, "
            f"{problem}. Save {cure}."
        )
    if images.size == 0:
        raise DataError(f"{name}: it has no images, its shape is {shape}. Save at least one.")
    return images


def _pixels(images: np.ndarray, name: str) -> np.ndarray:
    """Return uint8 images: floats in [0, 1] or [-1, 1] are rounded to the nearest byte."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind == "b":
        raise DataError(f"{name}: expected numbers, received bool. Save images * np.uint8(255).")
    low, high = images.min(), images.max()  # NaN if any is
    if not (np.isfinite(low) and np.isfinite(high)):
        count = images.size - int(np.isfinite(images).sum())
        raise DataError(
            f"{name}: expected finite floats, received {count} NaN or infinite of {images.size}. "
            f"Mend them before saving, perhaps with np.nan_to_num."
        )
    floats = images.dtype.kind == "f"
    if low < (-1 if floats else 0) or high > (1 if floats else 255):
        wanted = "floats in [0, 1] or [-1, 1]" if floats else "whole numbers from 0 to 255"
        raise DataError(
            f"{name}: expected {wanted}, received {images.dtype} from {low} to {high}. "
            f"Scale them, or save bytes with .astype(np.uint8)."
        )
    if not floats:
        return images.astype(np.uint8)
    scale, shift = (127.5, 127.5) if low < 0 else (255.0, 0.0)
    pixels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), CHUNK_SIZE):
        part = images[start : start + CHUNK_SIZE].astype(np.float64)
        pixels[start : start + CHUNK_SIZE] = np.rint(part * scale + shift)
    return pixels


def _classes(labels: np.ndarray, count: int, name: str) -> np.ndarray:
    """Return int64 labels, one per image, each from 0 to ``MAX_CLASSES``."""
    cure = "Number them from 0: np.unique(labels, return_inverse=True)[1]."
    if labels.shape != (count,):
        raise DataError(
            f"{name}: expected labels ({count},), one an image, received {labels.shape}. "
            f"Save labels.ravel(), or labels.argmax(1) if they are one-hot."
        )
    whole = np.isfinite(labels) & (labels == np.floor(labels)) if labels.dtype.kind == "f" else True
    if not np.all(whole):
        wrong = labels[~whole][0]
        raise DataError(f"{name}: expected whole labels, received {wrong}. {cure}")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= MAX_CLASSES:
        wrong = low if low < 0 else high
        raise DataError(
            f"{name}: expected labels from 0 to {MAX_CLASSES - 1}, received {wrong}. {cure}"
        )
    return labels.astype(np.int64)
