"""Images resized to one shape and cached as a file of raw bytes.

Threads read and resize images ahead and write them to disk, so memory stays bounded. Files are
written atomically, and a lock lets a second process reuse the result of the first. The name of the
folder is a hash of all that determines the pixels: the files, the shape, the formats that are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
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
from gandem.core.data.prepared import FACTS, VARIABLE, format_shape, read_limit, trim_prepared
from gandem.core.documents import parse_json
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, fill_file, make_folder, write_json
from gandem.core.machine import check_memory, format_size
from gandem.terminal.progress import ProgressBars

FORMAT = 3
"""Version of the cache; incremented if the same file would give different bytes."""
QUEUE_SIZE = 4
"""Images in progress per thread."""
WAIT_BEFORE_LINE = 2.0
"""Seconds of waiting for another process before a line says so."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """The files to resize.

    Attributes:
        source: what they belong to, for the user.
        names: one for each file.
        stamps: a hash that changes with any of their contents.
        read: returns the content of a file by its index; called in several threads.
        check: raises DataError if a file has been changed; called after it was read.
    """

    source: str
    names: Sequence[str]
    stamps: str
    read: Callable[[int], bytes]
    check: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ResizedImages:
    """Images of one shape, from some files.

    Attributes:
        images: of the readable files; None if there are none.
        rows: indices of the readable files.
        errors: the errors of the other files by index.
        with_frames: indices of files with more frames than the one that is used.
    """

    images: DiskImages | np.ndarray | None
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


def resize_images(files: ImageFiles, shape: tuple[int, ...], bars: ProgressBars) -> ResizedImages:
    """Return the images of some files resized to (H, W, C).

    They are stored in the cache, and read from there the next time, unless that is switched off.

    Raises:
        DataError: a file has been changed meanwhile, or the cache cannot be used.
    """
    load_formats()  # before any thread
    size, limit = len(files.names) * int(np.prod(shape)), read_limit()  # bytes
    if not limit:
        return _read_into_memory(files, shape, bars, size)
    if size > limit:
        raise DataError(
            f"{files.source}: the images take {format_size(size)} at {format_shape(shape)}, and "
            f"prepared images may take {format_size(limit)}; set {VARIABLE}={-(-size // 10**9)}."
        )
    identity = json.dumps([FORMAT, list(shape), files.stamps, load_formats()])
    folder = cache_folder() / "folder" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    resized = _load(folder, shape, len(files.names))  # needs no lock: what is there is complete
    try:
        if resized is None:
            make_folder(folder)
            with _lock(folder, bars):
                resized = _load(folder, shape, len(files.names))
                if resized is None:
                    _prepare(folder, files, shape, bars, size)
                    resized = _load(folder, shape, len(files.names))
            trim_prepared(folder)
    except DataError:
        raise
    except (GandemError, OSError) as error:
        raise DataError(
            f"The cache cannot be used: {str(error).rstrip('.')}. Set GANDEM_CACHE to a folder "
            f"that can be written, with room for {format_size(size)}, or {VARIABLE}=0 to keep the "
            "images in memory."
        ) from error
    if resized is None:
        raise DataError(f"{folder}: cannot be read again. Remove that folder.")
    with contextlib.suppress(OSError):  # read-only
        os.utime(folder / FACTS)  # the time of the last use
    return resized


@contextlib.contextmanager
def _lock(folder: Path, bars: ProgressBars) -> Iterator[None]:
    """Lock a folder of the cache; print a line if another process has locked it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=WAIT_BEFORE_LINE)
    except Timeout:
        bars.print("Another process prepares the same images; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _load(folder: Path, shape: tuple[int, ...], count: int) -> ResizedImages | None:
    """Return the cached images, or None if they are missing or damaged."""
    try:
        facts = parse_json((folder / FACTS).read_bytes())
        errors = {int(index): str(reason) for index, reason in facts["errors"].items()}
        with_frames = tuple(map(int, facts["with_frames"]))
        rows = _list_rows(count, errors)
        stored = (len(rows), *shape)
        images = DiskImages(folder / "images.bin", stored) if len(rows) else None  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, AttributeError, TypeError, DataError):
        return None
    return ResizedImages(images, rows, errors, with_frames)


def _list_rows(count: int, errors: Collection[int]) -> np.ndarray:
    return np.array([index for index in range(count) if index not in errors], np.int64)


def _prepare(
    folder: Path, files: ImageFiles, shape: tuple[int, ...], bars: ProgressBars, size: int
) -> None:
    """Write the images into a folder of the cache, whole or not at all."""
    clear_unfinished(folder)
    if (free := shutil.disk_usage(folder).free) < size:
        raise OSError(f"{folder}: the disk has {format_size(free)} free")
    facts: dict[str, Any] = {}

    def fill(temporary: Path) -> None:
        with temporary.open("wb", buffering=1 << 20) as file:
            facts["errors"], facts["with_frames"] = _resize(files, shape, bars, file.write)

    (folder / FACTS).unlink(missing_ok=True)
    fill_file(folder / "images.bin", fill)
    source = f"{files.source}, {format_shape(shape)}"
    write_json(folder / FACTS, {"source": source, **facts})


def _read_into_memory(
    files: ImageFiles, shape: tuple[int, ...], bars: ProgressBars, size: int
) -> ResizedImages:
    check_memory(size, f"{files.source}: its images", f"set {VARIABLE} to store them on the disk")
    memory = bytearray(size)
    view, end = memoryview(memory), 0

    def keep(pixels: bytes) -> None:
        nonlocal end
        view[end : end + len(pixels)] = pixels
        end += len(pixels)

    errors, with_frames = _resize(files, shape, bars, keep)
    rows = _list_rows(len(files.names), errors)
    images = np.frombuffer(memory, np.uint8, end).reshape(-1, *shape) if len(rows) else None
    return ResizedImages(images, rows, errors, with_frames)


def _resize(
    files: ImageFiles,
    shape: tuple[int, ...],
    bars: ProgressBars,
    write: Callable[[bytes], object],
) -> tuple[dict[int, str], tuple[int, ...]]:
    """Write the pixels of each file that can be read; return errors and files with more frames.

    Raises:
        DataError: a file is not as it was when the files were listed.
    """
    errors: dict[int, str] = {}
    with_frames: list[int] = []

    def resize(index: int) -> tuple[bytes, bool] | str:
        try:
            with open_image(files.read(index)) as image:
                return fit_image(image, shape).tobytes(), has_more_frames(image)
        except Exception as error:  # invalid files raise many types of errors
            return describe_error(error)
        finally:
            files.check(index)

    count = len(files.names)
    show = partial(bars.show, "prepare images", total=count)
    with contextlib.closing(map_in_threads(resize, range(count), show)) as results:
        for index, result in enumerate(results):
            if isinstance(result, str):
                errors[index] = result
                continue
            pixels, more_frames = result
            write(pixels)
            if more_frames:
                with_frames.append(index)
    return errors, tuple(with_frames)
