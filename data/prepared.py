"""Pictures brought to one shape once, and kept in the cache as a file of bytes.

Threads read and resize some pictures ahead; what is done goes straight to disk, so memory holds a
few of them however many there are.  A file is written under another name and renamed when it is
whole; of two processes that want the same, one waits and takes what the other has made.
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

from gandem.core.data.dataset import OnDisk
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, fill_file, make_folder, write_json
from gandem.data.pictures import careful, fit, open_picture, why

__all__ = ["Prepared", "prepare", "worked"]

FORMAT = 1
"""Of what is kept; a new one where the same file would become other bytes."""
AHEAD = 4
"""Pictures in hand for each thread."""

Item, Made = TypeVar("Item"), TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Pictures of one shape, the places of those that were read, and why the others were not."""

    images: OnDisk | None
    good: np.ndarray
    bad: dict[int, str]


def worked(
    work: Callable[[Item], Made], items: Sequence[Item], progress: Callable[[int], None]
) -> Generator[Made]:
    """Yield what ``work`` makes of each item, in order, made ahead by a few threads."""
    threads = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, "gandem-pictures")
    waiting: deque[Any] = deque()
    try:
        with careful():
            progress(0)
            for place, item in enumerate(items):
                waiting.append(pool.submit(work, item))
                if len(waiting) > AHEAD * threads:
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
    """Return the pictures of some files, all of one shape (H, W, C), from the cache or for it.

    Args:
        stamps: what tells these files, as they are, from others.
        progress: called with how many are done.

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
    """Return what an earlier call has kept, if it is whole."""
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        bad = {int(place): str(reason) for place, reason in facts["bad"].items()}
        good = np.array([place for place in range(count) if place not in bad], np.int64)
        rows = (len(good), *shape)
        images = OnDisk(folder / "images.bin", rows) if len(good) else None  # type: ignore[arg-type]
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
        except Exception as error:  # a hostile file raises nearly anything
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
