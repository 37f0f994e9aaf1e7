"""The contents of a folder or zip file of images: files, and labels from subfolders or a table."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gandem.core.data.image_files import find_suffixes, has_image_signature
from gandem.core.data.summary import format_few
from gandem.core.errors import DataError, format_count
from gandem.data.label_tables import TABLES, LabelTable, match_files, read_table, sort_classes

Stamp = tuple[int, ...]
"""Size and times of the last changes of a file's contents and of its entry, which a copy with an
old time changes too; size and checksum in a zip file.
"""
Read = Callable[[str, int], bytes]
"""Returns the first bytes of a file by its path, all for -1."""
FindStamp = Callable[[str], Stamp | None]
"""Returns the present stamp of a file by its path, None if it does not exist."""
MAX_FILE_SIZE = 1 << 30
"""Bytes of an image file."""
DOCUMENTS = frozenset(
    ".cfg .csv .db .html .ini .ipynb .json .jsonl .log .md .py .rst .sh .toml .tsv .txt .url .xml "
    ".yaml .yml".split()
)
"""Endings of files beside images that nobody expects to be read."""
TRAIN_PARTS = ("train", "training")
PARTS = {*TRAIN_PARTS, "test", "testing", "val", "valid", "validation", "dev", "extra"}
HEIF_SUFFIXES = (".heic", ".heif", ".hif")


@dataclass(slots=True)
class _Contents:
    """What a folder or zip file holds, by path.

    Attributes:
        images: files that may be images.
        others: other files.
        tables: the paths of tables by path in lower case.
        problems: what cannot be read, one line each.
    """

    read: Read
    find_stamp: FindStamp
    images: dict[str, Stamp] = field(default_factory=dict)
    others: dict[str, Stamp] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, path: str, stamp: Stamp) -> None:
        """Add a file, whose kind its ending says, or else its first bytes."""
        folder, slash, name = path.rpartition("/")
        suffix = os.path.splitext(name)[1].lower()
        if name.lower() in TABLES:
            self.tables[f"{folder}{slash}{name.lower()}"] = path
        elif not suffix or suffix in find_suffixes() or self._is_image(path, suffix):
            self.images[path] = stamp
        else:
            self.others[path] = stamp

    def _is_image(self, path: str, suffix: str) -> bool:
        try:
            return suffix not in DOCUMENTS and has_image_signature(self.read(path, 16))
        except Exception:  # a damaged zip file, or no permission
            return False


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files of a folder or zip file, in order, not opened yet.

    Attributes:
        files: paths within the folder.
        stamps: of the files; they change with their contents.
        labels: (N,), or None without classes.
        problems: skipped files with the reason, one line each.
        notes: other messages for the user.
    """

    root: Path
    files: tuple[str, ...]
    stamps: tuple[Stamp, ...]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    read: Read
    find_stamp: FindStamp


def list_images(root: Path, name: str) -> Listing:
    """Return the image files below a folder, in a zip file, or in a folder of a zip file.

    Labels come from a table if there is one, otherwise from subfolders with images, whose names
    are the classes. Of the folders train, test and val, train is used.

    Raises:
        DataError: it is not a folder or zip file, has no images, or has an invalid table.
    """
    contents, top = _scan(root, name)
    top, notes = _find_top(contents, top)
    images = {path: stamp for path, stamp in contents.images.items() if path.startswith(top)}
    others = {path: stamp for path, stamp in contents.others.items() if path.startswith(top)}
    table = _read_table(contents, top, name)
    if table is not None and table.note:
        notes.append(table.note)
    if table is None or table.labels is None:
        labels = _label_by_folder(images, contents, top)
    elif table.labels:
        images |= others  # whatever their ending is
        labels = _label_by_table(table, images, contents, top, name)
        others = {path: stamp for path, stamp in others.items() if path not in labels}
    else:
        labels = dict.fromkeys(images, "")
    skipped = _describe_others(others)
    if not labels:
        holds = f"it holds {format_few(sorted(others))}" if others else "it is empty"
        raise DataError(f"{name}: there are no images in {str(root)!r}; {skipped or holds}.")
    classes = sort_classes(set(labels.values()) - {""})
    numbers = {text: number for number, text in enumerate(classes)}
    files = sorted(labels)
    if table is None:
        files.sort(key=lambda path: numbers.get(labels[path], 0))
    return Listing(
        root=root,
        files=tuple(files),
        stamps=tuple(images[path] for path in files),
        labels=np.array([numbers[labels[path]] for path in files], np.int64) if classes else None,
        class_names=tuple(classes),
        problems=tuple(contents.problems),
        notes=(*notes, *filter(None, [skipped])),
        read=contents.read,
        find_stamp=contents.find_stamp,
    )


def _describe_others(others: Collection[str]) -> str:
    """Return how many files are not read, by ending; empty if all of them are documents."""
    suffixes = Counter(os.path.splitext(path)[1].lower() for path in others)
    suffixes = Counter({end: n for end, n in suffixes.items() if end not in DOCUMENTS})
    if not suffixes:
        return ""
    kinds = [f"{count:,} {suffix}" for suffix, count in suffixes.most_common()]
    text = f"{suffixes.total():,} files not read: {format_few(kinds, 4)}"
    if any(suffix in suffixes for suffix in HEIF_SUFFIXES):
        text += "; install pillow-heif to read HEIC files"
    return text if suffixes.total() > 1 else text.replace("files", "file", 1)


# --- files ---------------------------------------------------------------------------------------


def _scan(root: Path, name: str) -> tuple[_Contents, str]:
    """Return what a folder or zip file holds, and the folder of a zip file that is meant.

    Raises:
        DataError: it is neither, or cannot be read.
    """
    archive = next((path for path in (root, *root.parents) if path.is_file()), None)
    try:
        if root.is_dir():
            os.listdir(root)
            return _scan_folder(root), ""
        if archive is not None and archive.stat().st_size and zipfile.is_zipfile(archive):
            inner = "" if archive == root else f"{root.relative_to(archive).as_posix()}/"
            return _scan_zip(archive), inner
    except OSError as error:
        raise DataError(f"{name}: {str(root)!r} cannot be read ({error.strerror}).") from None
    except Exception as error:  # invalid zip files raise many types of errors
        raise DataError(f"{name}: {str(root)!r} is damaged ({error}).") from error
    state = "is a file" if root.exists() else "does not exist"
    raise DataError(f"{name}: {str(root)!r} {state}; expected a folder or zip file of images.")


def _scan_folder(root: Path) -> _Contents:
    """Return what a folder holds.

    Links are followed after all real folders, and no folder is visited twice; hidden files are
    skipped.
    """
    contents = _Contents(
        read=lambda path, size: _read_file(root / path, size),
        find_stamp=lambda path: _find_stamp(root / path),
    )
    visited: set[tuple[int, int]] = set()
    folders = [(root, "")]
    links: list[tuple[Path, str]] = []
    while folders or links:
        folder, prefix = folders.pop() if folders else links.pop()
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in visited:
                contents.problems.append(f"{prefix}: a link to a folder that is here already")
                continue
            visited.add((facts.st_dev, facts.st_ino))
            with os.scandir(folder) as inside:
                entries = sorted(inside, key=lambda entry: entry.name)
        except OSError as error:
            contents.problems.append(f"{prefix or '.'}: {error.strerror}")
            continue
        for entry in entries:
            path = f"{prefix}{entry.name}"
            try:
                if _is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append((Path(entry), f"{path}/"))
                else:
                    contents.add(path, _make_stamp(entry.stat()))
            except OSError as error:
                contents.problems.append(f"{path}: {error.strerror}")
    return contents


def _make_stamp(facts: os.stat_result) -> Stamp:
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _find_stamp(path: Path) -> Stamp | None:
    try:
        return _make_stamp(path.stat())
    except OSError:
        return None


def _read_file(path: Path, size: int) -> bytes:
    if not path.is_file():  # opening a pipe would block
        raise OSError("is not a file" if path.exists() else "does not exist")
    stored = path.stat().st_size
    if size < 0 and stored > MAX_FILE_SIZE:
        raise OSError(f"larger than {MAX_FILE_SIZE >> 30} GiB")
    if not stored:  # also of what the kernel writes, whose reading may never end
        return b""
    with path.open("rb") as file:
        return file.read(size)


def _scan_zip(path: Path) -> _Contents:
    archive = zipfile.ZipFile(path)
    members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}

    def read(path: str, size: int) -> bytes:
        if size < 0 and members[path].file_size > MAX_FILE_SIZE:
            raise OSError(f"larger than {MAX_FILE_SIZE >> 30} GiB")
        if members[path].flag_bits & 1:
            raise OSError("encrypted")
        with archive.open(members[path]) as file:
            return file.read(size)

    def find_stamp(path: str) -> Stamp:
        return (members[path].file_size, members[path].CRC)

    contents = _Contents(read, find_stamp)
    for file, info in members.items():
        if not info.is_dir() and not any(map(_is_hidden, file.split("/"))):
            contents.add(file, find_stamp(file))
    return contents


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _find_top(contents: _Contents, top: str) -> tuple[str, list[str]]:
    """Return the folder whose subfolders are the classes, and notes for the user.

    A folder that holds nothing but one folder of folders is passed; of train, test and val, train
    is chosen.
    """
    while not _find_table(contents, top):
        inside = [path[len(top) :] for path in contents.images if path.startswith(top)]
        folders = {path.partition("/")[0] for path in inside if "/" in path}
        train = next((name for name in sorted(folders) if name.lower() in TRAIN_PARTS), None)
        if train is not None and {name.lower() for name in folders} <= PARTS:
            top += f"{train}/"
            if unused := sorted(folders - {train}):
                return top, [
                    f"the images of {train!r} are used, not those of {format_few(unused)}; "
                    "add the name of a folder to the path to use it"
                ]
        elif len(folders) == 1 and (
            all(path.count("/") > 1 for path in inside)
            or _find_table(contents, f"{top}{min(folders)}/")
        ):
            top += f"{min(folders)}/"
        else:
            break
    return top, []


# --- labels --------------------------------------------------------------------------------------


def _find_table(contents: _Contents, folder: str) -> str | None:
    return next((table for table in TABLES if f"{folder}{table}" in contents.tables), None)


def _read_table(contents: _Contents, top: str, name: str) -> LabelTable | None:
    """Return the first table of a folder."""
    file = _find_table(contents, top)
    if file is None:
        return None
    try:
        content = contents.read(contents.tables[f"{top}{file}"], -1)
    except Exception as error:  # a zip file may be damaged
        raise DataError(f"{name}: {file}: cannot be read ({error}).") from None
    return read_table(file, content, name)


def _label_by_folder(images: Collection[str], contents: _Contents, top: str) -> dict[str, str]:
    """Return the labels of images by path: the first folder, or nothing without folders."""
    labels = {path: path[len(top) :].rpartition("/")[0].partition("/")[0] for path in images}
    if any(labels.values()):
        beside = [path for path, label in labels.items() if not label]
        contents.problems += [f"{path}: beside the folders of the classes" for path in beside]
        labels = {path: label for path, label in labels.items() if label}
    return labels


def _label_by_table(
    table: LabelTable, images: Collection[str], contents: _Contents, top: str, name: str
) -> dict[str, str]:
    """Return the labels of the listed images by path.

    Raises:
        DataError: no listed file exists, or a file has two labels.
    """
    listed, labels = table.labels or {}, dict[str, str]()
    contents.problems += table.problems
    matches = match_files(listed, [path[len(top) :] for path in images])
    for row, files in matches.items():
        path = f"{top}{min(files)}" if len(files) == 1 else ""
        if not path:
            reason = f"{len(files)} files have this name" if files else "there is no such file"
            contents.problems.append(f"{row}: in {table.file_name}, but {reason}")
        elif labels.setdefault(path, listed[row]) != listed[row]:
            raise DataError(
                f"{name}: {path!r} has the labels {labels[path]!r} and {listed[row]!r}. Keep one "
                "of them."
            )
    if not labels:
        raise DataError(
            f"{name}: {table.file_name} lists {format_count(len(listed), 'file')}, none of which "
            f"is there; the first is {next(iter(listed))!r}."
        )
    unlisted = [path for path in contents.images if path.startswith(top) and path not in labels]
    contents.problems += [f"{path}: not in {table.file_name}" for path in unlisted]
    return labels
