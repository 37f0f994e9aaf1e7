"""Writing files so that a crash, a full disk or Ctrl-C leaves the old file or the new one, never
half of one.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gandem.core.errors import RunError

__all__ = ["fill_file", "make_folder", "write_file", "write_json"]


def write_file(path: Path, data: bytes) -> None:
    """Write bytes to ``path``.

    Raises:
        RunError: the place cannot be written, or the disk is full.
    """
    fill_file(path, lambda temporary: temporary.write_bytes(data))


def write_json(path: Path, data: Any) -> None:
    """Write data as readable JSON to ``path``; NaN is refused."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, f"{text}\n".encode())


def fill_file(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write a temporary file beside ``path``, flush it to disk, and rename it into
    place.

    Raises:
        RunError: the place cannot be written, or the disk is full; nothing is left behind.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        fill(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
        _flush_folder(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error}).") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        RunError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be made ({error.strerror or error}).") from None


def _flush_folder(path: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can flush a folder
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
