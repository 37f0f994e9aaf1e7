"""The folder of a run: locked by one process at a time, and created whole or not at all.

The lock is one of the operating system on ``.lock``; it ends with the process that holds it. A
folder is a run once it holds ``spec.toml``, which is written last.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gandem.core.errors import RunError
from gandem.core.files import clear_unfinished, is_unfinished, make_folder, write_file
from gandem.core.runs.record import RunRecord, write_record
from gandem.core.specs import Spec, to_toml

if TYPE_CHECKING:
    from filelock import FileLock

LOCK = ".lock"
LOCK_TIMEOUT = 1.0
"""Seconds to wait for a lock: ``gandem runs`` holds each lock for a moment to query it."""


@dataclass(slots=True)
class RunLock:
    """The lock of a new run's folder.

    Attributes:
        folder: absolute, since the working directory may change.
        given: the folder as the user typed it.
        created: the folders that were created for it.
    """

    folder: Path
    given: Path
    lock: FileLock
    created: list[Path]

    def remove(self) -> None:
        """Remove the run's files, and the folders created for it that are empty now."""
        if self.folder in self.created:
            shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("samples", "checkpoints"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("spec.toml", "run.json", "log.jsonl", LOCK):
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        _remove_empty(self.created)

    def release(self) -> None:
        """Release the lock."""
        self.lock.release()


def next_run_dir(stem: str) -> Path:
    """Return ``runs/STEM-N`` for the first N from 1 that is free."""
    folders = (Path("runs") / f"{stem}-{number}" for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists())


def check_run_dir(out: Path) -> None:
    """Check that ``out`` can take a new run.

    It can if it does not exist, is empty, or holds a training that was killed before it started.

    Raises:
        RunError: ``out`` is in use.
    """
    try:
        is_used = out.exists() and not (out.is_dir() and _is_blank(out))
    except OSError as error:
        raise RunError(f"{out}: cannot be created ({error.strerror or error}).") from None
    if is_used:
        raise RunError(f"{out}: it exists and is not an empty folder; choose another --out.")


def _is_blank(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if not is_unfinished(path)}
    return names <= {LOCK} or names == {LOCK, "run.json"}


def create_run_dir(spec: Spec, record: RunRecord, out: Path | None) -> RunLock:
    """Create a run's folder, ``out`` or the next free one under ``runs/``, with record and spec.

    Raises:
        RunError: ``out`` is in use or cannot be written; nothing is left behind.
    """
    stem = f"{spec.name}-{record.backend}-{date.today():%Y%m%d}".replace("/", "-")
    lock = _create_locked(stem, out)
    try:
        clear_unfinished(lock.folder)
        write_record(lock.folder, record)
        write_file(lock.folder / "spec.toml", to_toml(spec).encode())
    except BaseException:
        lock.remove()
        lock.release()
        raise
    return lock


def _create_locked(stem: str, out: Path | None) -> RunLock:
    """Create and lock a folder that no other training uses."""
    while True:
        given = out or next_run_dir(stem)
        folder = given.absolute()
        created = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            make_folder(folder)
            lock = RunLock(folder, given, _acquire(folder), created)
        except RunError as error:
            if isinstance(error, _LockedError) and out is None:
                continue  # another process was faster: take the next
            if not isinstance(error, _LockedError):
                _remove_empty(created)
            raise
        try:
            check_run_dir(folder)
        except RunError:  # another process has used it, and has ended
            lock.release()
            if out is not None:
                raise
        else:
            return lock


@contextlib.contextmanager
def lock_run_dir(folder: Path, activity: str = "is training this run") -> Iterator[None]:
    """Lock a folder during a block.

    Args:
        activity: what this process does, for the error that other processes get.

    Raises:
        RunError: another process has locked it, or the folder cannot be written.
    """
    lock = _acquire(folder, activity)
    try:
        yield
    finally:
        lock.release()


def is_locked(folder: Path) -> bool | None:
    """Return True if a process is training in a run's folder, None if that is unknown.

    It requests a shared lock, which several processes can hold at once.
    """
    try:
        import fcntl

        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


class _LockedError(RunError):
    """Another process holds the lock."""


def _acquire(folder: Path, activity: str = "is training this run") -> FileLock:
    from filelock import FileLock, Timeout

    path = folder / LOCK
    # a soft lock is a file that outlives its process
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=LOCK_TIMEOUT, poll_interval=0.05)
    except NotImplementedError:  # a file system without locks
        return lock
    except Timeout:
        message = f"{folder}: another process {activity}; wait for it, or stop it."
        raise _LockedError(message) from None
    except OSError as error:
        reason = error.strerror or error
        blocked = path if path.is_symlink() or path.is_dir() else folder
        raise RunError(f"{blocked}: cannot be written ({reason}).") from None
    return lock


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()
