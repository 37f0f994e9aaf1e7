"""Atomic writes: a file is written whole or not at all, even on a crash, a full disk or Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gandem.core.errors import RunError


def check_file(path: Path, suffixes: Mapping[str, str] | None = None) -> None:
    """Check that a file can be written to a path, before any work is done for it.

    Args:
        suffixes: the permitted endings of the name, each with what it holds, or an empty text.

    Raises:
        RunError: otherwise.
    """
    if suffixes is not None and path.suffix.lower() not in suffixes:
        endings = (
            f"{suffix or 'no ending'}{f' ({content})' * bool(content)}"
            for suffix, content in suffixes.items()
        )
        raise RunError(f"{path}: expected a name that ends in {' or '.join(endings)}.")
    if not os.path.isdir(path.parent):
        raise RunError(f"{path}: there is no folder {path.parent}.")
    _check_replaceable(path)
    _check_writable(path.parent, path)


def check_new_folder(path: Path) -> None:
    """Check that a new folder can be made at a path, in a folder that exists.

    Raises:
        RunError: otherwise; an empty folder would be replaced.
    """
    mode = _read_mode(path)
    if mode and (not path.is_dir() or any(path.iterdir())):
        raise RunError(f"{path}: it is not an empty folder; choose a new one.")
    if not os.path.isdir(path.parent):
        raise RunError(f"{path}: there is no folder {path.parent}.")
    _check_writable(path.parent, path)


def check_folder(path: Path) -> None:
    """Check that files can be written into a folder, which is created if it does not exist.

    Raises:
        RunError: otherwise.
    """
    _check_writable(path, path)


def _check_writable(folder: Path, subject: Path) -> None:
    """Create a file without a name in a folder, or in the first one above it that exists."""
    import tempfile

    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            tempfile.TemporaryFile(dir=place).close()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"{subject}: cannot be written ({error.strerror or error}).") from None
        return


def _check_replaceable(path: Path) -> None:
    """Check that nothing but a regular file, or a link, would be replaced.

    Raises:
        RunError: otherwise; as root, a device could be replaced.
    """
    mode = _read_mode(path)
    if mode and not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
        reason = os.strerror(errno.EISDIR) if stat.S_ISDIR(mode) else "Not a regular file"
        raise RunError(f"{shorten_path(path)}: cannot be written ({reason}).")


def _read_mode(path: Path) -> int:
    """Return what is at a path, as in :mod:`stat`, without following a link; 0 if nothing is.

    Raises:
        RunError: the path cannot be used.
    """
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"{shorten_path(path)}: cannot be written ({reason}).") from None


def write_file(path: Path, data: bytes) -> None:
    """Write bytes to ``path``.

    Raises:
        RunError: the file cannot be written, or the disk is full.
    """
    fill_file(path, lambda temporary: temporary.write_bytes(data))


def write_json(path: Path, data: Any) -> None:
    """Write data as indented JSON to ``path``; NaN is refused."""
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, f"{text}\n".encode())


def fill_file(path: Path, fill: Callable[[Path], object]) -> None:
    """Call ``fill`` with a temporary path beside ``path``, flush the file, and rename it.

    Raises:
        RunError: the file cannot be written, or the disk is full; nothing is left behind.
    """
    _check_replaceable(path)
    with temporary_beside(path) as temporary:
        try:
            fill(temporary)
            flush_file(temporary)
            temporary.replace(path)
            _flush_folder(path.parent)
        except OSError as error:
            reason = error.strerror or error
            raise RunError(f"{shorten_path(path)}: cannot be written ({reason}).") from None


_temporaries: set[Path] = set()


@contextlib.contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield a path for an unfinished file or folder; what is there at the end is removed."""
    temporary = path.parent / f".gandem-{secrets.token_hex(8)}.part"
    _temporaries.add(temporary)
    try:
        yield temporary
    finally:
        _remove(temporary)
        _temporaries.discard(temporary)


def remove_temporaries() -> None:
    """Remove all unfinished files and folders, before the process ends without cleaning up."""
    for temporary in list(_temporaries):
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # the folder cannot be written, so there is no file
        path.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the folder of downloads, prepared images and features.

    It is ``GANDEM_CACHE``, or else the cache folder of the system.
    """
    import pooch

    return Path(os.environ.get("GANDEM_CACHE") or pooch.os_cache("gandem"))


def flush_file(path: Path) -> None:
    """Write a file from the system's buffers to the disk.

    Raises:
        OSError: the file does not exist, or the disk is full.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def shorten_path(path: Path) -> str:
    """Return a path as users type it: relative if it is inside the working directory."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith("..") else relative


def is_unfinished(path: Path) -> bool:
    """Return True for a temporary file of :func:`fill_file`."""
    return path.name.startswith(".gandem-") and path.name.endswith(".part")


def clear_unfinished(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder and its subfolders."""
    for path in folder.rglob(".gandem-*.part"):
        with contextlib.suppress(OSError):
            path.unlink()


def append_line(path: Path, line: str) -> int:
    """Append a line to a file, whole or not at all, and return the new size in bytes.

    Raises:
        RunError: the file cannot be written, or the disk is full.
    """
    try:
        with path.open("ab", buffering=0) as file:
            size, rest = file.seek(0, os.SEEK_END), f"{line}\n".encode()
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except BaseException:
                file.truncate(size)
                raise
            return file.tell()
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"{shorten_path(path)}: cannot be written ({reason}).") from None


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        RunError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be created ({error.strerror or error}).") from None
    except RecursionError:  # mkdir calls itself for each parent
        raise RunError(f"{path}: cannot be created (too many folders).") from None


def _flush_folder(path: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can flush a folder
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
