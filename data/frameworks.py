"""Data sets of a framework, read by its own loaders in a child process and cached as raw bytes.

PyTorch and TensorFlow conflict in one process, so this module imports neither. The cache entry
depends on the set, its part, the version of the framework, and the sizes and times of the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset, DiskImages, ResizableDataset
from gandem.core.data.summary import DatasetSummary, count_classes, format_few
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, make_folder
from gandem.core.plugins.discovery import format_versions
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.process import ChildCommand, run_child
from gandem.core.progress import ProgressBars

__all__ = ["FrameworkSet", "Kept", "check_installed", "load_set", "stamps_of"]

FORMAT = 1
"""Version of the cache; incremented if the same set would give different bytes."""
DONE, REFUSED = "@ ", "! "
"""Prefixes of the lines in which the child process reports progress and an error."""
SHARE = (re.compile(r"\b()(\d+)%\|"), re.compile(r"\b(\d+)/(\d+)\b"))
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
        words: the name of the set, and its part.
        root: the folder where the framework looks for its files.
        given: True if it is the user's folder, in which no file may be overwritten.
    """

    name: str
    framework: str
    words: tuple[str, ...]
    root: Path
    given: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of the cache, with its facts."""

    folder: Path
    facts: dict[str, Any]

    def images(self) -> DiskImages:
        """Return the images."""
        return DiskImages(self.folder / "images.bin", tuple(self.facts["shape"]))

    def labels(self) -> np.ndarray | None:
        """Return the labels (N,), int64, or None if there are none."""
        if not self.facts["labeled"]:
            return None
        read: np.ndarray = np.load(self.folder / "labels.npy", allow_pickle=False)
        return read


def check_installed(framework: str) -> None:
    """Check that the package of a framework is installed.

    Raises:
        DataError: it is not; the message says how to install it.
    """
    row = registry().find("datasets", framework)
    if not is_installed(row):
        raise DataError(
            f"The data sets of {framework} need {' and '.join(row.requires)}, which is not "
            f"installed. Install it with: {row.install_command}"
        )


def load_set(wanted: FrameworkSet) -> Dataset | ResizableDataset:
    """Return a data set; image files of several sizes give a :class:`ResizableDataset`.

    Raises:
        DataError: the set does not exist, is not a set of images, or is not available.
    """
    kept = _obtain(wanted, "open")
    return _Pictures(wanted, kept.facts) if kept.facts["pictures"] else _dataset(wanted, kept)


def stamps_of(root: Path) -> str:
    """Return a hash that changes with every file below a folder, or ``""`` without files."""
    hashed, count, seen = hashlib.sha256(), 0, set()
    for folder, folders, files in os.walk(root, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders.sort()
        for file in sorted(files):
            path = os.path.join(folder, file)
            try:
                facts = os.stat(path)
            except OSError:  # a link to nowhere
                continue
            told = [os.path.relpath(path, root), facts.st_size, facts.st_mtime_ns]
            hashed.update(json.dumps(told).encode())
            count += 1
    return hashed.hexdigest() if count else ""


def _dataset(wanted: FrameworkSet, kept: Kept) -> Dataset:
    facts = kept.facts
    bad = [f"image {place}: {reason}" for place, reason in facts["bad"].items()]
    few = [f"{wanted.name}: {len(bad)} left out: {format_few(bad)}."] if bad else []
    return Dataset(
        name=wanted.name,
        images=kept.images(),
        labels=kept.labels(),
        class_names=tuple(facts["class_names"]),
        source=facts["source"],
        notes=(*facts["notes"], *few),
    )


class _Pictures(ResizableDataset):
    """A set of image files of any sizes."""

    def __init__(self, wanted: FrameworkSet, facts: dict[str, Any]) -> None:
        self.name, self.wanted, self.source = wanted.name, wanted, facts["source"]

    def resize_to(self, shape: tuple[int, ...]) -> Dataset:
        """Return the images cropped and resized to (H, W, C), cached after the first call."""
        return _dataset(self.wanted, _obtain(self.wanted, "fit", shape))

    def summarize(self, *, quiet: bool = False) -> DatasetSummary:
        """Return a summary of the original images."""
        kept = _obtain(self.wanted, "look", quiet=quiet)
        facts = kept.facts
        return DatasetSummary(
            name=self.name,
            source=self.source,
            count=facts["count"],
            sizes={(width, height): count for width, height, count in facts["sizes"]},
            modes=facts["modes"],
            classes=count_classes(kept.labels(), tuple(facts["class_names"])),
            unread=tuple(f"image {place}: {reason}" for place, reason in facts["bad"].items()),
            copies=tuple(f"image {copy}: the same as image {of}" for copy, of in facts["copies"]),
        )

    def sample_classes(
        self, count: int, shape: tuple[int, ...]
    ) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few images of each class with its name, resized to a shape."""
        data = self.resize(shape)
        if data.labels is None:
            return [("", list(data.images[:count]))]
        found = []
        for label in np.unique(data.labels):
            name = data.class_names[label] if data.class_names else str(label)
            found.append((name, list(data.images[np.flatnonzero(data.labels == label)[:count]])))
        return found


# --- the cache -----------------------------------------------------------------------------------


def _obtain(
    wanted: FrameworkSet, want: str, shape: tuple[int, ...] | None = None, *, quiet: bool = False
) -> Kept:
    """Return the cached result for a set, or let the framework read it.

    Args:
        want: ``"open"``: images in memory; ``"fit"``: resized images; ``"look"``: a summary.
    """
    from filelock import FileLock

    told = [FORMAT, format_versions((wanted.framework, "pillow")), *wanted.words]
    key = json.dumps([*told, wanted.framework, str(wanted.root), wanted.given, want, shape])
    folder = cache_folder() / "frameworks" / hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        make_folder(folder)
        with FileLock(folder / "lock"):
            kept = _kept(folder)
            if kept is None or kept.facts["stamps"] != _stamps(wanted, kept):
                (folder / "facts.json").unlink(missing_ok=True)
                clear_unfinished(folder)
                _read(wanted, {"want": want, "shape": shape, "folder": str(folder)}, quiet=quiet)
                kept = _kept(folder)
    except DataError:
        raise
    except (GandemError, OSError) as error:
        raise DataError(
            f"The cache cannot be used: {str(error).rstrip('.')}. Set GANDEM_CACHE to a folder "
            "that can be written."
        ) from error
    if kept is None:
        raise DataError(f"{folder}: cannot be read again. Remove that folder.")
    return kept


def _kept(folder: Path) -> Kept | None:
    """Return the cached result of a folder, or None if it is missing or damaged."""
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        kept = Kept(folder, facts)
        labels = kept.labels()
        whole = labels is None or len(labels) == facts["count"]
        if "shape" in facts and len(kept.images()) != facts["count"]:
            whole = False
    except (OSError, ValueError, KeyError, TypeError, EOFError):  # DataError is a ValueError
        return None
    return kept if whole else None


def _stamps(wanted: FrameworkSet, kept: Kept) -> str:
    """Return the stamps that the cached facts must have to be valid.

    A set with files is never taken from the cache if all of them are missing.
    """
    if not kept.facts["files"]:  # drawn at random, like torchvision's FakeData
        return ""
    return stamps_of(wanted.root) or "no files"


# --- the child process ---------------------------------------------------------------------------


def _read(wanted: FrameworkSet, task: dict[str, Any], *, quiet: bool) -> None:
    """Fill a folder of the cache in a child process.

    Raises:
        DataError: the process failed.
    """
    request = {
        "name": wanted.name,
        "framework": wanted.framework,
        "words": wanted.words,
        "root": str(wanted.root),
        "given": wanted.given,
    }
    refusals: list[str] = []
    with _Progress(quiet=quiet) as progress:

        def read_line(raw: str) -> bool:
            line = COLORS.sub("", raw).strip()
            if line.startswith(REFUSED):
                refusals.append(line.removeprefix(REFUSED))
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
        failure = f"{wanted.name}: the process of {wanted.framework} failed: {result.reason}"
        raise DataError(next(iter(refusals), failure))


class _Progress(ExitStack):
    """Progress bars: percent during downloads, then images."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self.quiet = quiet
        self._begin("read images")

    def show_line(self, line: str) -> bool:
        """Show the progress that a line of the child process reports; return False if none."""
        if line.startswith(DONE):
            done, total = line.removeprefix(DONE).split()
            self.show("read images", int(done), int(total))
            return True
        match = next(filter(None, (form.search(line) for form in SHARE)), None)
        if match is not None:
            done, total = match.groups() if match[1] else (match[2], "100")
            if 0 < int(total):
                self.show("download", min(100, 100 * int(done) // int(total)), 100)
        return match is not None

    def show(self, who: str, done: int, total: int) -> None:
        if who != self.who:
            self.close()
            self._begin(who)
        self.bars.show(who, done, total)

    def _begin(self, who: str) -> None:
        unit = "%" if who == "download" else "images"
        self.who, self.bars = who, self.enter_context(ProgressBars(quiet=self.quiet, unit=unit))
