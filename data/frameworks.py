"""Data sets of a framework, read by its own loaders in a child process and cached as raw bytes.

PyTorch and TensorFlow conflict in one process, so this module imports neither. The cache entry
depends on the set, its part, the version of the framework, and the sizes and times of the files.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset, ResizableDataset, sample_classes
from gandem.core.data.disk_images import DiskImages
from gandem.core.data.summary import DatasetSummary, count_classes, format_few
from gandem.core.documents import parse_json
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, make_folder
from gandem.core.plugins.discovery import format_versions
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.process import ChildCommand, run_child
from gandem.terminal.progress import ProgressBars

FORMAT = 1
"""Version of the cache; incremented if the same set would give different bytes."""
PROGRESS_MARK, ERROR_MARK = "@ ", "! "
"""Prefixes of the lines in which the child process reports progress and an error."""
DOWNLOAD_PROGRESS = (re.compile(r"\b()(\d+)%\|"), re.compile(r"\b(\d+)/(\d+)\b"))
"""Download progress of the frameworks: the percentage of tqdm, the bytes of Keras."""
COLORS = re.compile(r"\x1b\[[\d;]*m")
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkSet:
    """A data set of a framework.

    Attributes:
        name: the name the user typed, ``"torchvision:SVHN:test"``.
        framework: the package of the data set.
        parts: the name of the set, and its part.
        root: the folder where the framework looks for its files.
        given: True if it is the user's folder, in which no file may be overwritten.
    """

    name: str
    framework: str
    parts: tuple[str, ...]
    root: Path
    given: bool


@dataclass(frozen=True, slots=True)
class CachedSet:
    """A data set in a folder of the cache, with its facts."""

    folder: Path
    facts: dict[str, Any]

    def images(self) -> DiskImages:
        """Return the images."""
        return DiskImages(self.folder / "images.bin", tuple(self.facts["shape"]))

    def labels(self) -> np.ndarray | None:
        """Return the labels (N,), int64, or None if there are none."""
        if not self.facts["labeled"]:
            return None
        labels: np.ndarray = np.load(self.folder / "labels.npy", allow_pickle=False)
        return labels

    def to_dataset(self, name: str) -> Dataset:
        """Return the data set."""
        facts = self.facts
        errors = [f"image {index}: {reason}" for index, reason in facts["bad"].items()]
        notes = [f"{name}: {len(errors)} left out: {format_few(errors)}."] if errors else []
        return Dataset(
            name=name,
            images=self.images(),
            labels=self.labels(),
            class_names=tuple(facts["class_names"]),
            source=facts["source"],
            notes=(*facts["notes"], *notes),
        )


def check_installed(framework: str) -> None:
    """Check that the package of a framework is installed.

    Raises:
        DataError: it is not; the message says how to install it.
    """
    entry = registry().find("datasets", framework)
    if not is_installed(entry):
        raise DataError(
            f"The data sets of {framework} need {' and '.join(entry.requires)}, which is not "
            f"installed. Install it with: {entry.install_command}"
        )


def check_name(
    full_name: str, name: str, known: Mapping[str, str], unsuitable: Mapping[str, Iterable[str]]
) -> None:
    """Check that a framework has a data set, and that it consists of images.

    Args:
        full_name: what the user typed.
        name: of the data set, a key of ``known``.
        known: the names to print by the names to compare.
        unsuitable: data sets that cannot be used by the reason.

    Raises:
        DataError: it has no such data set, or one of another kind.
    """
    framework, _, typed = full_name.partition(":")
    reasons = {key.lower(): reason for reason, keys in unsuitable.items() for key in keys}
    if name in reasons and name in known:
        raise DataError(
            f"{full_name}: {known[name]} {reasons[name]}; expected images, with or without a class "
            "each."
        )
    if name not in known:
        usable = [key for key in known if key not in reasons]
        near = difflib.get_close_matches(name, usable, n=1, cutoff=0.6)
        titles = ", ".join(sorted(known[key] for key in usable))
        hint = f"Did you mean {known[near[0]]!r}?" if near else f"There are: {titles}."
        framework = framework.replace("keras", "Keras")
        raise DataError(f"{framework} has no data set {typed.partition(':')[0]!r:.60}. {hint}")


def load_set(source: FrameworkSet) -> Dataset | ResizableDataset:
    """Return a data set; image files of several sizes give a :class:`ResizableDataset`.

    Raises:
        DataError: the set does not exist, is not a set of images, or is not available.
    """
    cached = _read_cached(source, "open")
    if cached.facts["pictures"]:
        return _ImageFiles(source, cached.facts["source"])
    return cached.to_dataset(source.name)


def hash_files(root: Path) -> str:
    """Return a hash that changes with every file below a folder, or ``""`` without files."""
    hashed, count, visited = hashlib.sha256(), 0, set()
    for folder, folders, files in os.walk(root, followlinks=True):
        facts = os.stat(folder)
        if (facts.st_dev, facts.st_ino) in visited:  # a link to a folder above
            folders.clear()
            continue
        visited.add((facts.st_dev, facts.st_ino))
        folders.sort()
        for file in sorted(files):
            path = os.path.join(folder, file)
            try:
                facts = os.stat(path)
            except OSError:  # a broken link
                continue
            stamp = [os.path.relpath(path, root), facts.st_size, facts.st_mtime_ns]
            hashed.update(json.dumps(stamp).encode())
            count += 1
    return hashed.hexdigest() if count else ""


class _ImageFiles(ResizableDataset):
    """A data set of image files of any sizes."""

    def __init__(self, framework_set: FrameworkSet, source: str) -> None:
        self.name, self.set, self.source = framework_set.name, framework_set, source

    def resize_to(self, shape: tuple[int, ...]) -> Dataset:
        """Return the images cropped and resized to (H, W, C), cached after the first call."""
        return _read_cached(self.set, "fit", shape).to_dataset(self.name)

    def summarize(self, *, quiet: bool = False) -> DatasetSummary:
        """Return a summary of the original images."""
        cached = _read_cached(self.set, "look", quiet=quiet)
        facts = cached.facts
        return DatasetSummary(
            name=self.name,
            source=self.source,
            count=facts["count"],
            sizes={(width, height): count for width, height, count in facts["sizes"]},
            modes=facts["modes"],
            classes=count_classes(cached.labels(), tuple(facts["class_names"])),
            unread=tuple(f"image {index}: {reason}" for index, reason in facts["bad"].items()),
            copies=tuple(f"image {copy}: the same as image {of}" for copy, of in facts["copies"]),
        )

    def sample_classes(
        self, count: int, shape: tuple[int, ...]
    ) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class with its name, resized to a shape."""
        return sample_classes(self.resize(shape), count)


# --- the cache -----------------------------------------------------------------------------------


def _read_cached(
    source: FrameworkSet, want: str, shape: tuple[int, ...] | None = None, *, quiet: bool = False
) -> CachedSet:
    """Return the cached result for a set, or let the framework read it.

    Args:
        want: ``"open"``: images in memory; ``"fit"``: resized images; ``"look"``: a summary.
    """
    from filelock import FileLock

    identity = [FORMAT, format_versions((source.framework, "pillow")), *source.parts]
    key = json.dumps([*identity, source.framework, str(source.root), source.given, want, shape])
    folder = cache_folder() / "frameworks" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        make_folder(folder)
        with FileLock(folder / "lock"):
            cached = _load(folder)
            if cached is None or not _is_current(source, cached):
                (folder / "facts.json").unlink(missing_ok=True)
                clear_unfinished(folder)
                _read(source, {"want": want, "shape": shape, "folder": str(folder)}, quiet=quiet)
                cached = _load(folder)
    except DataError:
        raise
    except (GandemError, OSError) as error:
        raise DataError(
            f"The cache cannot be used: {str(error).rstrip('.')}. Set GANDEM_CACHE to a folder "
            "that can be written."
        ) from error
    if cached is None:
        raise DataError(f"{folder}: cannot be read again. Remove that folder.")
    return cached


def _load(folder: Path) -> CachedSet | None:
    """Return the cached result of a folder, or None if it is missing or damaged."""
    try:
        facts = parse_json((folder / "facts.json").read_bytes())
        cached = CachedSet(folder, facts)
        labels = cached.labels()
        is_whole = labels is None or len(labels) == facts["count"]
        is_whole &= "shape" not in facts or len(cached.images()) == facts["count"]
    except (OSError, ValueError, KeyError, TypeError, EOFError):  # DataError is a ValueError
        return None
    return cached if is_whole else None


def _is_current(source: FrameworkSet, cached: CachedSet) -> bool:
    """Return True if the files of a set are those that were read.

    A set with files is never taken from the cache if all of them are missing.
    """
    if not cached.facts["files"]:  # drawn at random, like torchvision's FakeData
        return True
    stamps = hash_files(source.root)
    return bool(stamps) and stamps == cached.facts["stamps"]


# --- the child process ---------------------------------------------------------------------------


def _read(source: FrameworkSet, task: dict[str, Any], *, quiet: bool) -> None:
    """Fill a folder of the cache in a child process.

    Raises:
        DataError: the process failed.
    """
    request = {
        "name": source.name,
        "framework": source.framework,
        "parts": source.parts,
        "root": str(source.root),
        "given": source.given,
    }
    errors: list[str] = []
    with _Progress(quiet=quiet) as progress:

        def read_line(raw: str) -> bool:
            line = COLORS.sub("", raw).strip()
            if line.startswith(ERROR_MARK):
                errors.append(line.removeprefix(ERROR_MARK))
            return not line or progress.show_line(line)

        result = run_child(
            ChildCommand(
                module="gandem.data.framework_process",
                arguments=(json.dumps(request | task),),
                environment=ENVIRONMENT,
                on_line=read_line,
            )
        )
    if result.code:
        message = f"{source.name}: the process of {source.framework} failed: {result.reason}"
        raise DataError(next(iter(errors), message))


class _Progress(ExitStack):
    """Progress bars: percent during downloads, then images."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self.quiet = quiet
        self._begin("read images")

    def show_line(self, line: str) -> bool:
        """Show the progress that a line of the child process reports; return False if none."""
        if line.startswith(PROGRESS_MARK):
            done, total = line.removeprefix(PROGRESS_MARK).split()
            self.show("read images", int(done), int(total))
            return True
        match = next(filter(None, (form.search(line) for form in DOWNLOAD_PROGRESS)), None)
        if match is not None:
            done, total = match.groups() if match[1] else (match[2], "100")
            if 0 < int(total):
                self.show("download", min(100, 100 * int(done) // int(total)), 100)
        return match is not None

    def show(self, task: str, done: int, total: int) -> None:
        if task != self.task:
            self.close()
            self._begin(task)
        self.bars.show(task, done, total)

    def _begin(self, task: str) -> None:
        unit = "%" if task == "download" else "images"
        self.task, self.bars = task, self.enter_context(ProgressBars(quiet=self.quiet, unit=unit))
