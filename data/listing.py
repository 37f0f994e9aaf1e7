"""The contents of a folder of images: files, and labels from sub-folders or a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandem.core.errors import DataError
from gandem.data.pictures import suffixes

__all__ = ["TABLE", "Listing", "in_short", "look_into"]

TABLE = "labels.csv"
MAX_TABLE_SIZE = 256 << 20  # bytes; a million rows have about 50 MB


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files of a folder, in order, not opened yet.

    Attributes:
        files: paths within the folder.
        stamps: size and modification time of each file.
        labels: (N,), or None without classes.
        problems: skipped files with the reason, one line each.
    """

    root: Path
    files: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    problems: tuple[str, ...]


def look_into(root: Path, name: str) -> Listing:
    """Return the image files below a folder.

    Labels come from ``labels.csv`` if present, otherwise from sub-folders with images, whose sorted
    names are the classes.

    Raises:
        DataError: it is not a folder, has no images, or has an invalid table.
    """
    if not root.is_dir():
        state = "is a file" if root.exists() else "is not there"
        raise DataError(f"{name}: {str(root)!r} {state}; expected a folder of images.")
    try:
        os.listdir(root)
    except OSError as error:
        raise DataError(f"{name}: {str(root)!r} cannot be read ({error.strerror}).") from None
    problems: list[str] = []
    found, others = _pictures(root, problems)
    if (root / TABLE).is_file():
        told = _table(root / TABLE, f"{name}: {TABLE}", problems)
        return _from_table(root, name, found, told, problems)
    if not found:
        some = f"; it holds {in_short(others)}" if others else " and nothing else"
        raise DataError(f"{name}: there are no images in {str(root)!r}{some}.")
    return _from_folders(root, found, problems)


def in_short(things: list[str], most: int = 3) -> str:
    """Return the first few items and the number of the others.

    >>> in_short(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(things) - most:,} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more


def _pictures(root: Path, problems: list[str]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Return size and time of possible image files by path, and the names of other files.

    Links are followed, but no folder is visited twice; hidden files are skipped.
    """
    known, found, others = suffixes(), {}, []
    seen: set[tuple[int, int]] = set()
    waiting = [(root, "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in seen:
                problems.append(f"{prefix}: a link to a folder that is here already")
                continue
            seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(folder) as inside:
                entries = sorted(inside, key=lambda entry: entry.name)
        except OSError as error:
            problems.append(f"{prefix or '.'}: {error.strerror}")
            continue
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.name.startswith(".") or path == TABLE:
                continue
            try:
                if entry.is_dir():
                    waiting.append((Path(entry.path), f"{path}/"))
                elif (end := os.path.splitext(entry.name)[1].lower()) and end not in known:
                    others.append(path)
                else:
                    facts = entry.stat()
                    found[path] = (facts.st_size, facts.st_mtime_ns)
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
    return found, others


def _from_folders(root: Path, found: dict[str, tuple[int, int]], problems: list[str]) -> Listing:
    within = [path for path in found if "/" in path]
    if not within:
        files = tuple(sorted(found))
        stamps = tuple(found[path] for path in files)
        return Listing(root, files, stamps, None, (), tuple(problems))
    problems += [f"{path}: beside the folders of the classes" for path in found if "/" not in path]
    files = tuple(sorted(within, key=lambda path: (path.partition("/")[0], path)))
    stamps = tuple(found[path] for path in files)
    names, labels = np.unique([path.partition("/")[0] for path in files], return_inverse=True)
    classes = tuple(str(name) for name in names)
    return Listing(root, files, stamps, labels.astype(np.int64), classes, tuple(problems))


def _from_table(
    root: Path,
    name: str,
    found: dict[str, tuple[int, int]],
    told: dict[str, str],
    problems: list[str],
) -> Listing:
    for path in told:
        if path not in found:
            try:
                facts = (root / path).stat()
                found[path] = (facts.st_size, facts.st_mtime_ns)
            except OSError as error:
                problems.append(f"{path}: in {TABLE}, and {error.strerror}")
    files = tuple(path for path in sorted(told) if path in found)
    if not files:
        raise DataError(f"{name}: none of the {len(told)} files of {TABLE} is there.")
    problems += [f"{path}: not in {TABLE}" for path in sorted(found) if path not in told]
    names = {told[path] for path in files}
    whole = all(text.isascii() and text.isdigit() and len(text) < 10 for text in names)
    classes = sorted(names, key=(lambda text: (int(text), text)) if whole else None)
    place = {text: label for label, text in enumerate(classes)}
    labels = np.array([place[told[path]] for path in files], np.int64)
    stamps = tuple(found[path] for path in files)
    return Listing(root, files, stamps, labels, tuple(classes), tuple(problems))


def _table(path: Path, name: str, problems: list[str]) -> dict[str, str]:
    """Return the labels of a table ``file,label`` by file."""
    told: dict[str, tuple[str, int]] = {}
    for line, file, label in _rows(path, name):
        if not file or not label:
            lacks = "label" if file else "file"
            raise DataError(f"{name}, line {line}: it has no {lacks}. Write file,label.")
        file = os.path.normpath(file).replace(os.sep, "/")
        if os.path.isabs(file) or file.startswith(".."):
            raise DataError(f"{name}, line {line}: {file!r} is not in the folder. Put it there.")
        if file in told:
            if told[file][0] != label:
                raise DataError(
                    f"{name}, line {line}: {file!r} is {label!r} here and {told[file][0]!r} in "
                    f"line {told[file][1]}. Keep one of them."
                )
            problems.append(f"{file}: twice in {TABLE}, lines {told[file][1]} and {line}")
        told.setdefault(file, (label, line))
    if not told:
        raise DataError(f"{name}: it has no rows below its first line. Write file,label.")
    return {file: label for file, (label, _) in told.items()}


def _rows(path: Path, name: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, file and label of each row."""
    try:
        if path.stat().st_size > MAX_TABLE_SIZE:
            raise DataError(
                f"{name}: larger than {MAX_TABLE_SIZE >> 20} MiB, so it is another file."
            )
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            head = [column.strip().lower() for column in next(reader, [])]
            if "file" not in head or "label" not in head:
                first = ",".join(head)[:60]
                raise DataError(f"{name}: expected a first line file,label; received {first!r}.")
            at, to = head.index("file"), head.index("label")
            for row in reader:
                if any(cell.strip() for cell in row):
                    cells = [cell.strip() for cell in row] + [""] * len(head)
                    yield reader.line_num, cells[at], cells[to]
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise DataError(f"{name}: it is not UTF-8 text. Save it as that.") from None
    except csv.Error as error:
        raise DataError(f"{name}: it is not a table ({error}).") from None
