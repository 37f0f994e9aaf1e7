"""Prepared data sets: folders of the cache that hold resized images, and their removal.

Each folder has a file of raw bytes, its facts, and a lock, which is held while they are written or
removed. A training that reads images keeps their file open and is not disturbed by a removal.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from gandem.core.documents import parse_json
from gandem.core.errors import DataError
from gandem.core.files import cache_folder

VARIABLE = "GANDEM_PREPARED_GB"
"""The environment variable with the most gigabytes that prepared data sets take; 0 stores none."""
DEFAULT_LIMIT = 100
"""Gigabytes."""
FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared data set.

    Attributes:
        folder: where it is.
        source: what it was made from.
        size: bytes.
        used: the time of its last use, in seconds since 1970.
    """

    folder: Path
    source: str
    size: int
    used: float


def read_limit() -> int:
    """Return the most bytes that prepared data sets may take.

    Raises:
        DataError: ``GANDEM_PREPARED_GB`` is not a number from 0.
    """
    text = os.environ.get(VARIABLE) or str(DEFAULT_LIMIT)
    try:
        limit = int(float(text) * 1e9)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise DataError(f"{VARIABLE}: expected a number of gigabytes from 0, received {text!r}.")
    return limit


def format_shape(shape: tuple[int, ...]) -> str:
    """Return the shape of an image as text.

    >>> format_shape((64, 48, 3))
    '64×48×3'
    """
    return "×".join(map(str, shape))


def list_prepared() -> list[Prepared]:
    """Return the prepared data sets, the one that was used last first."""
    prepared = []
    for facts in cache_folder().glob(f"*/*/{FACTS}"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            source = str(parse_json(facts.read_bytes()).get("source", ""))
            size = sum(path.stat().st_size for path in facts.parent.iterdir())
            prepared.append(Prepared(facts.parent, source, size, facts.stat().st_mtime))
    return sorted(prepared, key=lambda each: -each.used)


def remove_prepared(prepared: Prepared) -> bool:
    """Remove a prepared data set; return False if it is locked or cannot be removed."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(prepared.folder / "lock", timeout=0):
            (prepared.folder / FACTS).unlink(missing_ok=True)  # first: without it nothing is read
            for path in prepared.folder.iterdir():
                if path.name != "lock":
                    path.unlink()
    except (Timeout, OSError):  # in use, or read-only
        return False
    return True


def trim_prepared(keep: Path) -> None:
    """Remove the data sets that were not used for the longest time, until the others take no more
    than the limit.

    Args:
        keep: the folder of one that stays.
    """
    left = read_limit()
    for prepared in sorted(list_prepared(), key=lambda each: each.folder != keep):
        left -= prepared.size
        if left < 0 and prepared.folder != keep and remove_prepared(prepared):
            left += prepared.size
