"""Images resized to one shape and cached as a file of raw bytes.

Threads read and resize images ahead and write them to disk, so memory stays bounded. Files are
written atomically, and a lock lets a second process reuse the result of the first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gandem.core.data.disk_images import DiskImages
from gandem.core.data.image_files import (
    describe_error,
    fit_image,
    has_more_frames,
    limit_image_size,
    load_formats,
    open_image,
)
from gandem.core.documents import parse_json
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, fill_file, make_folder, write_json

FORMAT = 2
"""Version of the cache; incremented if the same file would give different bytes."""
QUEUE_SIZE = 4
"""Images in progress per thread."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ResizedImages:
    """Images of one shape, from some files.

    Attributes:
        images: of the readable files; None if there are none.
        rows: indices of the readable files.
        errors: the errors of the other files by index.
        with_frames: indices of files with more frames than the one that is used.
    """

    images: DiskImages | None
    rows: np.ndarray
    errors: dict[int, str]
    with_frames: tuple[int, ...] = ()


def map_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], progress: Callable[[int], None]
) -> Generator[Result]:
    """Yield ``function(item)`` for each item in order, computed ahead by a few threads."""
    threads = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, "gandem-images")
    waiting: deque[Any] = deque()
    try:
        with limit_image_size():
            progress(0)
            for index, item in enumerate(items):
                waiting.append(pool.submit(function, item))
                if len(waiting) > QUEUE_SIZE * threads:
                    yield waiting.popleft().result()
                    progress(index + 1 - len(waiting))
            while waiting:
                yield waiting.popleft().result()
                progress(len(items) - len(waiting))
    finally:
        pool.shutdown(cancel_futures=True)


def resize_images(
    files: Sequence[str],
    read: Callable[[str], bytes],
    stamps: str,
    shape: tuple[int, ...],
    progress: Callable[[int], None],
) -> ResizedImages:
    """Return the images of some files resized to (H, W, C), cached after the first call.

    Args:
        read: returns the content of a file; called in several threads.
        stamps: a string that identifies the current contents of the files.
        progress: called with the number of files done.

    Raises:
        DataError: the cache cannot be used.
    """
    from filelock import FileLock

    load_formats()  # before any thread
    identity = json.dumps([FORMAT, list(shape), stamps, load_formats()])
    key = hashlib.sha256(identity.encode()).hexdigest()[:32]
    folder = cache_folder() / "folder" / key
    size = len(files) * int(np.prod(shape))  # bytes
    try:
        make_folder(folder)
        with FileLock(folder / "lock"):
            resized = _load(folder, shape, len(files))
            if resized is None:
                clear_unfinished(folder)
                if shutil.disk_usage(folder).free < size:
                    raise OSError(f"{folder}: there is no room for {size / 1e9:.1f} GB")
                _write(folder, files, read, shape, progress)
                resized = _load(folder, shape, len(files))
    except DataError:
        raise
    except (GandemError, OSError) as error:
        raise DataError(
            f"The cache cannot be used: {str(error).rstrip('.')}. Set GANDEM_CACHE to a folder "
            f"that can be written, with room for {size / 1e9:.1f} GB."
        ) from error
    if resized is None:
        raise DataError(f"{folder}: cannot be read again. Remove that folder.")
    return resized


def _load(folder: Path, shape: tuple[int, ...], count: int) -> ResizedImages | None:
    """Return the cached images, or None if they are missing or damaged."""
    try:
        facts = parse_json((folder / "facts.json").read_bytes())
        errors = {int(index): str(reason) for index, reason in facts["errors"].items()}
        with_frames = tuple(map(int, facts["with_frames"]))
        rows = np.array([index for index in range(count) if index not in errors], np.int64)
        stored = (len(rows), *shape)
        images = DiskImages(folder / "images.bin", stored) if len(rows) else None  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, AttributeError, TypeError, DataError):
        return None
    return ResizedImages(images, rows, errors, with_frames)


def _write(
    folder: Path,
    files: Sequence[str],
    read: Callable[[str], bytes],
    shape: tuple[int, ...],
    progress: Callable[[int], None],
) -> None:
    errors: dict[int, str] = {}
    with_frames: list[int] = []

    def resize(file: str) -> tuple[np.ndarray, bool] | str:
        try:
            with open_image(read(file)) as image:
                return fit_image(image, shape), has_more_frames(image)
        except Exception as error:  # invalid files raise many types of errors
            return describe_error(error)

    def fill(temporary: Path) -> None:
        with (
            temporary.open("wb", buffering=1 << 20) as file,
            closing(map_in_threads(resize, files, progress)) as results,
        ):
            for index, result in enumerate(results):
                if isinstance(result, str):
                    errors[index] = result
                    continue
                pixels, more_frames = result
                file.write(pixels.tobytes())
                if more_frames:
                    with_frames.append(index)

    (folder / "facts.json").unlink(missing_ok=True)
    fill_file(folder / "images.bin", fill)
    write_json(folder / "facts.json", {"errors": errors, "with_frames": with_frames})
