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

from gandem.core.data.dataset import DiskImages
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, fill_file, make_folder, write_json
from gandem.data.pictures import careful, fit, open_picture, why

__all__ = ["Prepared", "prepare", "worked"]

FORMAT = 1
"""Version of the cache; incremented if the same file would give different bytes."""
QUEUE_SIZE = 4
"""Images in progress per thread."""

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Images of one shape, the indices of readable files, and the errors of the others by index."""

    images: DiskImages | None
    good: np.ndarray
    bad: dict[int, str]


def worked(
    work: Callable[[Item], Made], items: Sequence[Item], progress: Callable[[int], None]
) -> Generator[Made]:
    """Yield ``work(item)`` for each item in order, computed ahead by a few threads."""
    threads = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, "gandem-pictures")
    waiting: deque[Any] = deque()
    try:
        with careful():
            progress(0)
            for place, item in enumerate(items):
                waiting.append(pool.submit(work, item))
                if len(waiting) > QUEUE_SIZE * threads:
                    yield waiting.popleft().result()
                    progress(place + 1 - len(waiting))
            while waiting:
                yield waiting.popleft().result()
                progress(len(items) - len(waiting))
    finally:
        pool.shutdown(cancel_futures=True)


def prepare(
    paths: Sequence[Path], stamps: str, shape: tuple[int, ...], progress: Callable[[int], None]
) -> Prepared:
    """Return the images of some files resized to (H, W, C), cached after the first call.

    Args:
        stamps: a string that identifies the current contents of the files.
        progress: called with the number of files done.

    Raises:
        DataError: the cache cannot be used.
    """
    from filelock import FileLock

    told = json.dumps([FORMAT, list(shape), stamps])
    key = hashlib.sha256(told.encode()).hexdigest()[:32]
    folder = cache_folder() / "folder" / key
    try:
        make_folder(folder)
        with FileLock(folder / "lock"):
            found = _kept(folder, shape, len(paths))
            if found is None:
                clear_unfinished(folder)
                _make(folder, paths, shape, progress)
                found = _kept(folder, shape, len(paths))
    except DataError:
        raise
    except (GandemError, OSError) as error:
        raise DataError(
            f"The cache cannot be used: {str(error).rstrip('.')}. Set GANDEM_CACHE to a folder "
            f"that can be written, with room for "
            f"{len(paths) * int(np.prod(shape)) / 1e9:.1f} GB."
        ) from error
    if found is None:
        raise DataError(f"{folder}: cannot be read again. Remove that folder.")
    return found


def _kept(folder: Path, shape: tuple[int, ...], count: int) -> Prepared | None:
    """Return the cached images, or None if they are missing or damaged."""
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        bad = {int(place): str(reason) for place, reason in facts["bad"].items()}
        good = np.array([place for place in range(count) if place not in bad], np.int64)
        rows = (len(good), *shape)
        images = DiskImages(folder / "images.bin", rows) if len(good) else None  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, AttributeError, TypeError, DataError):
        return None
    return Prepared(images, good, bad)


def _make(
    folder: Path, paths: Sequence[Path], shape: tuple[int, ...], progress: Callable[[int], None]
) -> None:
    bad: dict[int, str] = {}
    wanted = len(paths) * int(np.prod(shape))
    if shutil.disk_usage(folder).free < wanted:
        raise OSError(f"{folder}: there is no room for {wanted / 1e9:.1f} GB")

    def read(path: Path) -> np.ndarray | str:
        try:
            with open_picture(path) as picture:
                return fit(picture, shape)
        except Exception as error:  # invalid files raise many types of errors
            return why(error)

    def fill(temporary: Path) -> None:
        with (
            temporary.open("wb", buffering=1 << 20) as file,
            closing(worked(read, paths, progress)) as pictures,
        ):
            for place, made in enumerate(pictures):
                if isinstance(made, str):
                    bad[place] = made
                else:
                    file.write(made.tobytes())

    (folder / "facts.json").unlink(missing_ok=True)
    fill_file(folder / "images.bin", fill)
    write_json(folder / "facts.json", {"bad": {str(place): said for place, said in bad.items()}})
