"""A run's folder: claimed by one process at a time, begun whole or not at all.

The claim is a lock of the operating system's on ``.lock``, which ends with the process that holds
it, however that ends.  A folder is a run once ``spec.toml``, written last, lies in it.
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
from typing import TYPE_CHECKING, Any

from gandem.core.errors import RunError
from gandem.core.files import clear_unfinished, is_unfinished, make_folder, write_file, write_json
from gandem.core.specs import Spec, to_toml

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["Claim", "begin", "check_out", "hold", "is_held", "next_folder"]

LOCK = ".lock"
PATIENCE = 1.0
"""Seconds to wait for a lock: ``gandem runs`` takes each for a moment to see whether it is held."""


@dataclass(slots=True)
class Claim:
    """A folder that nobody else trains in, until it is released."""

    folder: Path
    lock: FileLock
    made: list[Path]

    def take_back(self) -> None:
        """Remove what a run has written, and the folders made for it unless others use them now."""
        if self.folder in self.made:
            shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("samples", "checkpoints"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("spec.toml", "run.json", "log.jsonl", LOCK):
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        _remove_empty(self.made)

    def release(self) -> None:
        """Let others have the folder."""
        self.lock.release()


def next_folder(stem: str) -> Path:
    """Return ``runs/STEM-N`` for the first N from 1 that is free."""
    places = (Path("runs") / f"{stem}-{number}" for number in itertools.count(1))
    return next(place for place in places if not place.exists())


def check_out(out: Path) -> None:
    """Raise a :class:`RunError` unless ``out`` is free for a new run: nothing yet, an empty folder,
    or one in which a training was killed before it had begun.
    """
    try:
        taken = out.exists() and not (out.is_dir() and _is_blank(out))
    except OSError as error:
        raise RunError(f"{out}: cannot be made ({error.strerror or error}).") from None
    if taken:
        raise RunError(f"{out}: it exists and is not an empty folder; choose another --out.")


def _is_blank(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if not is_unfinished(path)}
    return names <= {LOCK} or names == {LOCK, "run.json"}


def begin(spec: Spec, facts: dict[str, Any], out: Path | None) -> Claim:
    """Make a run's folder, ``out`` or the next free one under ``runs/``, and write what is known
    before the first step.

    Raises:
        RunError: ``out`` is in use, or cannot be written; then nothing is left behind.
    """
    stem = f"{spec.name}-{facts['backend']}-{date.today():%Y%m%d}".replace("/", "-")
    claim = _claim(stem, out)
    try:
        clear_unfinished(claim.folder)
        write_json(claim.folder / "run.json", facts)
        write_file(claim.folder / "spec.toml", to_toml(spec).encode())
    except BaseException:
        claim.take_back()
        claim.release()
        raise
    return claim


def _claim(stem: str, out: Path | None) -> Claim:
    """Make a folder that no other training has."""
    while True:
        folder = out or next_folder(stem)
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            make_folder(folder)
            claim = Claim(folder, _locked(folder), made)
        except RunError as error:
            if isinstance(error, _HeldError) and out is None:
                continue  # another was faster: take the next
            if not isinstance(error, _HeldError):
                _remove_empty(made)
            raise
        try:
            check_out(folder)
        except RunError:  # another was there, and has ended
            claim.release()
            if out is not None:
                raise
        else:
            return claim


@contextlib.contextmanager
def hold(folder: Path, what: str = "is training this run") -> Iterator[None]:
    """Keep everybody else from working in a folder during a block.

    Args:
        what: whoever holds it does, for the others' error.

    Raises:
        RunError: somebody does, or the folder cannot be written.
    """
    lock = _locked(folder, what)
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool | None:
    """Say whether somebody trains in a run's folder now; None where that cannot be seen.

    It asks for a share of the lock, which others who ask may have too, and only reads.
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


class _HeldError(RunError):
    """Another process has the lock."""


def _locked(folder: Path, what: str = "is training this run") -> FileLock:
    from filelock import FileLock, Timeout

    path = folder / LOCK
    # a file that stands for a lock would outlive its process, so better none at all
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=PATIENCE, poll_interval=0.05)
    except NotImplementedError:  # a file system that knows no locks
        return lock
    except Timeout:
        raise _HeldError(f"{folder}: another process {what}; wait for it, or stop it.") from None
    except OSError as error:
        reason = error.strerror or error
        place = path if path.is_symlink() or path.is_dir() else folder
        raise RunError(f"{place}: cannot be written ({reason}).") from None
    return lock


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()
