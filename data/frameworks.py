"""Data sets that a framework brings: its own loaders read them in a process of their own, and what
they read is kept in the cache as plain bytes.

PyTorch and TensorFlow get on badly in one process, and a training may be on the other one; so
nothing here imports either.  What is kept belongs to a set, its part, the framework's version and
the files it was read from, by their sizes and times: whatever changes, it is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.commands.doctor_ import versions_of
from gandem.core.data.dataset import Dataset, Fittable, OnDisk
from gandem.core.data.summary import Survey, count_of_classes
from gandem.core.errors import DataError, GandemError
from gandem.core.files import cache_folder, clear_unfinished, make_folder
from gandem.core.plugins.registry import installed, registry
from gandem.core.progress import Bars
from gandem.data.listing import in_short

__all__ = ["FrameworkSet", "Kept", "check_installed", "load_set", "stamps_of"]

FORMAT = 1
"""Of what is kept; a new one where the same set would become other bytes."""
DONE, REFUSED = "@ ", "! "
"""How lines begin in which the other process says how far it is, and why it cannot."""
SHARE = (re.compile(r"\b()(\d+)%\|"), re.compile(r"\b(\d+)/(\d+)\b"))
"""What the frameworks print while they download: tqdm's per cent, Keras's bytes of bytes."""
COLORS = re.compile(r"\x1b\[[\d;]*m")
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkSet:
    """Which data set of which framework.

    Attributes:
        name: what a person typed, ``"torchvision:SVHN:test"``.
        framework: the package that brings it.
        words: the set's name, and what says which part.
        root: the folder in which the framework looks for its files.
        given: whether that is a person's own folder, in which no file is to be overwritten.
    """

    name: str
    framework: str
    words: tuple[str, ...]
    root: Path
    given: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of the cache, and what it says of itself."""

    folder: Path
    facts: dict[str, Any]

    def images(self) -> OnDisk:
        """Return the images; labels are :meth:`labels`."""
        return OnDisk(self.folder / "images.bin", tuple(self.facts["shape"]))

    def labels(self) -> np.ndarray | None:
        """Return the labels (N,), int64, or None where the set has none."""
        if not self.facts["labeled"]:
            return None
        read: np.ndarray = np.load(self.folder / "labels.npy", allow_pickle=False)
        return read


def check_installed(framework: str) -> None:
    """Raise an error that says what to type unless the package is there.

    Raises:
        DataError: it is not.
    """
    row = registry().find("datasets", framework)
    if not installed(row):
        raise DataError(
            f"The data sets of {framework} need {' and '.join(row.requires)}, which is not "
            f"installed. Install it with: {row.install}"
        )


def load_set(wanted: FrameworkSet) -> Dataset | Fittable:
    """Return the images as they are where the framework holds them in memory, all of one size; and
    where they are pictures in files, what can be fitted to a shape.

    Raises:
        DataError: there is no such set, it is no set of images, or it cannot be had.
    """
    kept = _obtain(wanted, "open")
    return _Pictures(wanted, kept.facts) if kept.facts["pictures"] else _dataset(wanted, kept)


def stamps_of(root: Path) -> str:
    """Return what changes whenever a file below a folder does, or ``""`` where there is none."""
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
    few = [f"{wanted.name}: {len(bad)} left out: {in_short(bad)}."] if bad else []
    return Dataset(
        name=wanted.name,
        images=kept.images(),
        labels=kept.labels(),
        class_names=tuple(facts["class_names"]),
        source=facts["source"],
        notes=(*facts["notes"], *few),
    )


class _Pictures(Fittable):
    """A set of picture files, before they are fitted to a shape."""

    def __init__(self, wanted: FrameworkSet, facts: dict[str, Any]) -> None:
        self.name, self.wanted, self.source = wanted.name, wanted, facts["source"]

    def fitted(self, shape: tuple[int, ...] | None = None) -> Dataset:
        """Return the pictures cut and resized to (H, W, C), from the cache after the first time.

        Raises:
            DataError: none can be read, or there are several sizes and no shape.
        """
        shape = self._own_shape() if shape is None else shape
        if len(shape) != 3 or shape[2] not in (1, 3):
            raise DataError(
                f"{self.name}: images are (height, width, 1 or 3), the spec wants {shape}; "
                "set the image."
            )
        return _dataset(self.wanted, _obtain(self.wanted, "fit", shape))

    def survey(self, *, quiet: bool = False) -> Survey:
        """Return what the pictures are, each of them read once."""
        kept = _obtain(self.wanted, "look", quiet=quiet)
        facts = kept.facts
        return Survey(
            name=self.name,
            source=self.source,
            count=facts["count"],
            sizes={(width, height): count for width, height, count in facts["sizes"]},
            modes=facts["modes"],
            classes=count_of_classes(kept.labels(), tuple(facts["class_names"])),
            unread=tuple(f"image {place}: {reason}" for place, reason in facts["bad"].items()),
            copies=tuple(f"image {copy}: the same as image {of}" for copy, of in facts["copies"]),
        )

    def some(self, each: int, shape: tuple[int, ...]) -> list[tuple[str, list[np.ndarray]]]:
        """Return a few pictures of each class by its name, all of one shape."""
        data = self.fitted(shape)
        if data.labels is None:
            return [("", list(data.images[:each]))]
        found = []
        for label in np.unique(data.labels):
            name = data.class_names[label] if data.class_names else str(label)
            found.append((name, list(data.images[np.flatnonzero(data.labels == label)[:each]])))
        return found

    def _own_shape(self) -> tuple[int, ...]:
        survey = self.survey()
        if len(survey.sizes) > 1:
            common = max(survey.sizes, key=lambda size: survey.sizes[size])
            raise DataError(
                f"{self.name}: its images have {len(survey.sizes)} sizes, most are "
                f"{common[1]}×{common[0]}; say to which shape to fit them."
            )
        ((width, height),) = survey.sizes
        return (height, width, 1 if set(survey.modes) <= {"gray"} else 3)


# --- the cache -----------------------------------------------------------------------------------


def _obtain(
    wanted: FrameworkSet, want: str, shape: tuple[int, ...] | None = None, *, quiet: bool = False
) -> Kept:
    """Return what is kept of a set, or let the framework read it.

    Args:
        want: ``"open"``, what is in memory; ``"fit"``, the pictures in a shape; ``"look"``, what
            they are.
    """
    from filelock import FileLock

    told = [FORMAT, versions_of((wanted.framework, "pillow")), *wanted.words]
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
    """Return what lies in a folder, if it is whole."""
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
    """Return what the facts must say if the files are still those that were read.

    A set with files, none of which is where it should be, is never taken from the cache.
    """
    if not kept.facts["files"]:  # drawn at random, like torchvision's FakeData
        return ""
    return stamps_of(wanted.root) or "no files"


# --- the other process ---------------------------------------------------------------------------


def _read(wanted: FrameworkSet, task: dict[str, Any], *, quiet: bool) -> None:
    """Let a process of the framework's own fill a folder of the cache.

    Raises:
        DataError: it could not; the text is its own.
    """
    told = {
        "name": wanted.name,
        "framework": wanted.framework,
        "words": wanted.words,
        "root": str(wanted.root),
        "given": wanted.given,
    }
    path = os.pathsep.join(place or os.getcwd() for place in sys.path)
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "gandem.data.framework_process", json.dumps(told | task)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
    )
    with child:
        try:
            with _Progress(quiet=quiet) as progress:
                last = _follow(child, progress.show)
        except BaseException:  # Ctrl-C: nobody waits for it any more
            child.kill()
            raise
    if child.returncode:
        refusal = next((line for line in last if line.startswith(REFUSED)), "")
        if refusal:
            raise DataError(refusal.removeprefix(REFUSED))
        reason = last[-1] if last else f"exit code {child.returncode}"
        if child.returncode < 0:  # whatever it said last is not why
            reason = f"it was ended by signal {-child.returncode}"
        raise DataError(f"{wanted.name}: the process of {wanted.framework} failed: {reason}")


def _follow(child: subprocess.Popen[str], show: Callable[[str, int, int], None]) -> deque[str]:
    """Pass progress on until the process ends; return the last of what else it said."""
    last: deque[str] = deque(maxlen=50)
    for raw in child.stdout or ():  # a carriage return ends a line, too
        line = COLORS.sub("", raw).strip()
        if line.startswith(DONE):
            done, total = line.removeprefix(DONE).split()
            show("read images", int(done), int(total))
        elif line.startswith(REFUSED):
            last.append(line)
        elif found := next(filter(None, (form.search(line) for form in SHARE)), None):
            done, total = found.groups() if found[1] else (found[2], "100")
            if 0 < int(total):
                show("download", min(100, 100 * int(done) // int(total)), 100)
        elif line:
            last.append(line)
    return last


class _Progress(ExitStack):
    """Bars of per cent while something is downloaded, and of images afterwards."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self.quiet = quiet
        self._begin("read images")

    def show(self, who: str, done: int, total: int) -> None:
        if who != self.who:
            self.close()
            self._begin(who)
        self.bars.show(who, done, total)

    def _begin(self, who: str) -> None:
        unit = "%" if who == "download" else "images"
        self.who, self.bars = who, self.enter_context(Bars(quiet=self.quiet, unit=unit))
