"""The user's images and labels in a NumPy ``.npz`` or ``.npy`` file, with strict checks."""

from __future__ import annotations

import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from gandem.core.data.dataset import CHANNELS, Dataset
from gandem.core.errors import DataError
from gandem.core.machine import check_memory
from gandem.data.label_tables import sort_classes

NAMES = (("images", "labels"), ("x", "y"), ("x_train", "y_train"), ("arr_0", "arr_1"))
MAX_ARRAY_SIZE = 8 << 30  # bytes; a small zip file can unpack to more than the memory
MAX_CLASSES = 1 << 16  # larger labels are row numbers or hashes, not classes
MAX_POINT_SIZE = 64  # longer rows are flattened images
CHUNK_SIZE = 1024  # images converted at a time, to limit memory
OVERSHOOT = 0.1
"""How far floats may lie outside of [0, 1] or [-1, 1], as after a resize; they are clipped."""
MIN_BYTE_LEVEL = 100
"""Floats that are no whole numbers are taken for [0, 255] only if the highest is at least this."""


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the images and labels of the file at ``argument``, a path (in ``data_dir``, if given).

    The arrays are ``images`` (N, H, W) or (N, H, W, 1 to 4) and optional ``labels`` (N,); or
    ``x`` and ``y``, ``x_train`` and ``y_train``, ``arr_0`` and ``arr_1``. A ``.npy`` file holds
    images only. Images are integers from 0 to 255, or floats in [0, 1], [-1, 1] or [0, 255], which
    are rounded to bytes; integers that are all 0 or 1 are taken for black and white.

    Floats (N, D) with D up to 64 are points and are not converted.

    Raises:
        DataError: the file does not exist, or its contents are invalid.
    """
    if not argument:
        raise DataError("npz: expected a file, received none. Use --data npz:FILE.npz.")
    path = (data_dir or Path()) / Path(argument).expanduser()
    name = f"npz:{argument}"
    images, labels = _read_arrays(path, name)
    note = ""
    if images.ndim == 2 and images.dtype.kind == "f" and images.shape[1] <= MAX_POINT_SIZE:
        with np.errstate(over="ignore"):  # infinite points are refused
            images = images.astype("f4")
    else:
        images, note = _to_bytes(_to_channels_last(images, name), name)
    classes, class_names = _to_classes(labels, len(images), name)
    return Dataset(
        name=name,
        images=np.ascontiguousarray(images),
        labels=classes,
        class_names=class_names,
        source=f"the file {path.name!r}",
        notes=(f"{name}: {note}.",) if note else (),
    )


Open = Callable[[], AbstractContextManager[IO[bytes]]]


def _read_arrays(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the images, and the labels or None, as stored."""
    if not path.is_file():
        state = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{name}: {str(path)!r} {state}; expected an .npz or .npy file.")
    try:
        if path.stat().st_size == 0:  # also of what the kernel writes, whose reading may never end
            raise ValueError("it is empty")
        with path.open("rb") as file:
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                return _read_array(lambda: path.open("rb"), path.stat().st_size, name), None
        archive = zipfile.ZipFile(path)
    except DataError:
        raise
    except Exception as error:  # invalid files raise many types of errors
        raise DataError(
            f"{name}: it is not an .npz file ({_shorten(error)}). "
            f"Make one with np.savez(FILE, images=images, labels=labels)."
        ) from error
    with archive:
        keys = [member.removesuffix(".npy") for member in archive.namelist()]
        if repeated := [key for key, count in Counter(keys).items() if count > 1]:
            raise DataError(
                f"{name}: it has several arrays {repeated[0][:60]!r}. Save it again with one."
            )

        def read(key: str) -> np.ndarray:
            member = archive.getinfo(f"{key}.npy")
            open_member = partial(archive.open, member)
            return _read_array(open_member, member.file_size, f"{name}: {key!r}")

        for first, second in NAMES:
            if f"{first}.npy" in archive.namelist():
                labels = read(second) if f"{second}.npy" in archive.namelist() else None
                if labels is not None and second == "arr_1" and labels.ndim != 1:
                    labels = None  # other images
                return read(first), labels
    raise DataError(
        f"{name}: expected an array 'images' (or 'x', or 'x_train'), "
        f"received {', '.join(repr(key[:60]) for key in keys[:8]) or 'an empty file'}."
    )


def _read_array(open_file: Open, file_size: int, where: str) -> np.ndarray:
    """Return one array after a check of its header: plain values, not too large.

    Args:
        where: name of the array, for errors.
    """
    try:
        with open_file() as file:
            shape, dtype, start = _read_header(file)
        size, stored = math.prod(shape) * dtype.itemsize, file_size - start
    except Exception as error:  # as above
        raise DataError(f"{where} cannot be read ({_shorten(error)}). Save it again.") from error
    if dtype.kind not in "buifU":
        raise DataError(
            f"{where} holds {dtype}, which is not read (objects are never unpickled); "
            f"expected numbers. Save an array of numbers."
        )
    if size > MAX_ARRAY_SIZE:
        raise DataError(
            f"{where} unpacks to more than {MAX_ARRAY_SIZE >> 30} GiB. "
            f"Save fewer images, or save them as uint8."
        )
    check_memory(size, where, "save fewer images, or save them as uint8")
    if size != stored:
        raise DataError(f"{where} has {stored} bytes, expected {size}. Save it again.")
    try:
        with open_file() as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # as above
        raise DataError(f"{where} is damaged ({_shorten(error)}). Save it again.") from error


def _shorten(error: Exception) -> str:
    """Return the reason of an error in words; those of NumPy and zipfile may quote bytes."""
    text = str(error).partition("\n")[0][:120]
    return text if " " in text and not re.search(r"""b['"]""", text) else "it is damaged"


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return shape and dtype of a ``.npy`` file, and the offset of its values."""
    versions = {  # 3.0 is only for named fields
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, _, dtype = versions[np.lib.format.read_magic(file)](file)
    except zipfile.BadZipFile:
        raise
    except Exception:  # as above; they quote the header
        raise ValueError("its header is damaged") from None
    if min(shape, default=0) < 0:
        raise ValueError("a size is negative")
    return shape, dtype, file.tell()


def _to_channels_last(images: np.ndarray, name: str) -> np.ndarray:
    """Return the images as (N, H, W, C); errors suggest how to convert them."""
    shape = images.shape
    if images.ndim == 3:
        images = images[..., None]  # (N, H, W, 1)
    elif images.ndim != 4 or shape[3] not in CHANNELS:
        is_first = images.ndim == 4 and shape[1] in CHANNELS
        remedy = "images.transpose(0, 2, 3, 1)" if is_first else "images.reshape(N, H, W, C)"
        problem = "whose channels come first" if is_first else "which has another form"
        raise DataError(
            f"{name}: expected images (N, H, W) or (N, H, W, 1 to 4), received {shape}, "
            f"{problem}. Save {remedy}."
        )
    if images.size == 0:
        raise DataError(f"{name}: it has no images, its shape is {shape}. Save at least one.")
    if images.dtype.kind == "U":
        raise DataError(f"{name}: expected images of numbers, received text ({images.dtype}).")
    return images


def _to_bytes(images: np.ndarray, name: str) -> tuple[np.ndarray, str]:
    """Return uint8 images, and a note that says which range of values they were taken for."""
    if images.dtype.kind == "b":
        return images * np.uint8(255), ""
    low, high = images.min().item() + 0, images.max().item() + 0  # NaN if any is
    if not (math.isfinite(low) and math.isfinite(high)):
        count = images.size - int(np.isfinite(images).sum())
        raise DataError(
            f"{name}: expected finite floats, received {count} NaN or infinite of {images.size}. "
            f"Replace them before saving, perhaps with np.nan_to_num."
        )
    span = f"{images.dtype} from {low:g} to {high:g}"
    scaled = f"images / {high:g}" if low >= 0 else f"(images + {-low:g}) / {high - low or 1:g}"
    if images.dtype.kind != "f":
        if (low, high) == (0, 1):
            return images.astype(np.uint8) * np.uint8(255), "0 and 1 are taken for black and white"
        if low < 0 or high > 255:
            raise DataError(
                f"{name}: expected whole numbers from 0 to 255, received {span}. Save floats from "
                f"0 to 1: {scaled}."
            )
        return images.astype(np.uint8), ""
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT and high > -low:
        black, white = 0, 1
    elif low >= -1 - OVERSHOOT and high <= 1 + OVERSHOOT:
        black, white = -1, 1
    elif low >= -0.5 and high < 255.5 and (high >= MIN_BYTE_LEVEL or _are_whole(images)):
        black, white = 0, 255
    else:
        raise DataError(
            f"{name}: expected floats in [0, 1], [-1, 1] or [0, 255], received {span}. Save floats "
            f"from 0 to 1: {scaled}."
        )
    note = f"its values, {span}, are taken for [{black}, {white}]"
    tolerance = (white - black) / 510
    if low < black - tolerance or high > white + tolerance:
        note += "; values outside are clipped"
    scale = 255 / (white - black)
    pixels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), CHUNK_SIZE):
        chunk = images[start : start + CHUNK_SIZE].astype(np.float64)
        pixels[start : start + CHUNK_SIZE] = np.clip(np.rint((chunk - black) * scale), 0, 255)
    return pixels, note


def _are_whole(images: np.ndarray) -> bool:
    chunks = (images[start : start + CHUNK_SIZE] for start in range(0, len(images), CHUNK_SIZE))
    return all(bool((chunk == np.rint(chunk)).all()) for chunk in chunks)


def _to_classes(
    labels: np.ndarray | None, count: int, name: str
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return int64 labels, one per image, each from 0 to ``MAX_CLASSES``, and the class names."""
    if labels is None:
        return None, ()
    if labels.shape != (count,):
        raise DataError(
            f"{name}: expected labels ({count},), one per image, received {labels.shape}. "
            f"Save labels.ravel(), or labels.argmax(1) if they are one-hot."
        )
    if labels.dtype.kind == "U":
        class_names = sort_classes(labels.tolist())
        numbers = {text: number for number, text in enumerate(class_names)}
        return np.array([numbers[text] for text in labels.tolist()], np.int64), tuple(class_names)
    remedy = "Number them from 0: np.unique(labels, return_inverse=True)[1]."
    is_whole: Any = True
    if labels.dtype.kind == "f":
        is_whole = np.isfinite(labels) & (labels == np.floor(labels))
    if not np.all(is_whole):
        wrong = labels[~is_whole][0]
        raise DataError(f"{name}: expected whole labels, received {wrong}. {remedy}")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= MAX_CLASSES:
        wrong = low if low < 0 else high
        raise DataError(
            f"{name}: expected labels from 0 to {MAX_CLASSES - 1}, received {wrong}. {remedy}"
        )
    return labels.astype(np.int64), tuple(map(str, range(int(high) + 1)))
