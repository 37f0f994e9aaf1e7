"""What is installed: the distributions on ``sys.path`` and what they say of themselves.

``importlib.metadata`` says the same, and takes as long to import as half of ``gandem list``: it
brings the parsers of e-mail and of archives.  Only archives on the path and other people's finders,
which few have, are asked through it.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from typing import Protocol

__all__ = [
    "Distribution",
    "distributions",
    "fields_of",
    "folder_name",
    "spelling",
    "version_of",
]


class Distribution(Protocol):
    """An installed distribution, as ``importlib.metadata`` has them and :class:`Folder` is one."""

    def read_text(self, filename: str, /) -> str | None:
        """Return the text of a file of its metadata; None where there is none."""


class Folder:
    """A distribution whose metadata lie in a folder, ``click-8.5.1.dist-info``, as most do."""

    def __init__(self, path: str) -> None:
        self._path = path

    def read_text(self, filename: str, /) -> str | None:
        """Return the text of a file; None where there is none that may be read."""
        try:
            with open(f"{self._path}/{filename}", encoding="utf-8") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            return None


def distributions() -> Iterator[Distribution]:
    """Yield every distribution that Python finds here, in its order; one may be there twice."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_distributions", None)
        if find is None:  # so is Python's own where the package importlib-metadata took its place
            continue
        if finder is PathFinder:
            for entry in sys.path:
                yield from _lying_in(entry)
        else:
            from importlib.metadata import DistributionFinder

            yield from find(DistributionFinder.Context())


def _lying_in(entry: str) -> Iterable[Distribution]:
    """Return the distributions of one place on the path."""
    try:
        status = os.stat(entry or ".")
    except OSError:  # not there
        return ()
    if stat.S_ISDIR(status.st_mode):
        return [Folder(path) for path in _folders(entry, status.st_mtime_ns)]
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    return MetadataPathFinder.find_distributions(DistributionFinder.Context(path=[entry]))


@functools.lru_cache
def _folders(entry: str, changed: int) -> list[str]:
    """Return the paths of a place's metadata; it is read anew where it has changed since."""
    try:
        names = os.listdir(entry or ".")
    except OSError:  # not to be read
        return []
    return [f"{entry}/{name}" for name in names if name.endswith((".dist-info", ".egg-info"))]


def fields_of(source: Distribution) -> dict[str, list[str]]:
    """Return the fields of a distribution's metadata by name in lower case, without the description
    below them, which takes a while to parse and may be a whole README.
    """
    text = source.read_text("METADATA") or source.read_text("PKG-INFO") or ""
    fields: dict[str, list[str]] = {}
    for line in text.partition("\n\n")[0].splitlines():
        name, colon, value = line.partition(":")
        if colon and not name[:1].isspace():
            fields.setdefault(name.lower(), []).append(value.strip())
    return fields


def folder_name(source: Distribution) -> str:
    """Return the name that a distribution's folder has, for one that does not say."""
    folder = os.path.basename(str(getattr(source, "_path", "")).rstrip("/"))
    return folder.partition("-")[0].removesuffix(".egg") or "?"


def version_of(name: str) -> str | None:
    """Return the version of the distribution of a name; None where none is installed."""
    wanted = spelling(name)
    for source in distributions():  # of several the first, as for Python
        if spelling(folder_name(source)) == wanted:
            return fields_of(source).get("version", [""])[0]
    return None


def spelling(name: str) -> str:
    """Return a distribution's name as pip compares it.

    >>> spelling("Good_Gan")
    'good-gan'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
