"""Looking at data before anything is trained on it: what there is, what is odd about it, and a
picture of some of each class.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import CHUNK, Dataset, Fittable
from gandem.core.data.images import save_image, scatter
from gandem.core.errors import DataError
from gandem.core.plugins.registry import find_dataset, registry

__all__ = ["Survey", "count_of_classes", "look", "picture_of", "sheet", "survey_of"]

TINY = 8
"""Pixels: what is narrower shows nothing."""
UNEVEN = 10
"""How many times the largest class may be the smallest one before that is a problem."""
MOST_ROWS = 20
"""Classes that are shown in one picture."""
LEAST = 56
"""Pixels: smaller images are enlarged to about that."""
SHOWN = (64, 64, 3)
"""The shape in which images of many sizes are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a data set is.

    Attributes:
        count: images, or points, that can be read.
        sizes: how many images have which (width, height).
        modes: how many are ``"gray"``, ``"color"``, or either ``"with transparency"``.
        classes: how many images each class has, by its name; empty without labels.
        unread: files that were left out, and why.
        copies: files, or rows, that are there already.
        points: the numbers that each point has; 0 where these are images.
    """

    name: str
    source: str
    count: int
    sizes: Mapping[tuple[int, int], int]
    modes: Mapping[str, int]
    classes: Mapping[str, int]
    unread: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    points: int = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """What may be wrong, a line each."""
        found = []
        if self.unread:
            found.append(f"{len(self.unread):,} left out: {_few(self.unread)}")
        if self.copies:
            found.append(f"{len(self.copies):,} copies: {_few(self.copies)}")
        if len(self.modes) > 1:
            kinds = ", ".join(f"{n:,} {mode}" for mode, n in self.modes.items())
            found.append(f"they differ in kind: {kinds}")
        if small := sum(n for size, n in self.sizes.items() if min(size) < TINY):
            found.append(f"{small:,} are narrower than {TINY} pixels")
        sizes = {name: n for name, n in self.classes.items() if n}
        if sizes and max(sizes.values()) > UNEVEN * min(sizes.values()):
            most, least = max(sizes, key=lambda c: sizes[c]), min(sizes, key=lambda c: sizes[c])
            found.append(
                f"classes are uneven: {sizes[most]:,} of {most!r}, {sizes[least]:,} of {least!r}"
            )
        if none := [name for name, n in self.classes.items() if not n]:
            found.append(f"classes without any image: {_few(tuple(map(repr, none)))}")
        return tuple(found)

    def to_data(self) -> dict[str, Any]:
        """Return the survey as plain data."""
        sizes = [{"width": w, "height": h, "count": n} for (w, h), n in _by_count(self.sizes)]
        return {
            "name": self.name,
            "source": self.source,
            "count": self.count,
            **({"points": self.points} if self.points else {}),
            "sizes": sizes,
            "modes": dict(self.modes),
            "classes": dict(self.classes),
            "problems": list(self.problems),
            "unread": list(self.unread),
            "copies": list(self.copies),
        }

    def in_words(self) -> str:
        """Return the survey as lines to read."""
        what = f"points of {self.points} numbers" if self.points else "images"
        lines = [f"{self.name}: {self.count:,} {what}, from {self.source}"]
        if self.sizes:
            lines.append(f"sizes      {self._sizes_in_words()}")
            kinds = ", ".join(f"{n:,} {mode}" for mode, n in _by_count(self.modes))
            lines.append(f"kinds      {kinds}")
        shown = list(self.classes.items())[:MOST_ROWS]
        for place, (name, n) in enumerate(shown):
            lines.append(f"{'classes' if place == 0 else '':<10} {n:>7,}  {place} {name}".rstrip())
        if len(self.classes) > len(shown):
            lines.append(f"{'':<19} and {len(self.classes) - len(shown):,} more classes")
        if not self.classes:
            lines.append("classes    none: it has no labels")
        lines += [f"! {problem}" for problem in self.problems]
        return "\n".join(lines)

    def _sizes_in_words(self) -> str:
        common = [f"{w}×{h} ({n:,})" for (w, h), n in _by_count(self.sizes)[:4]]
        if len(self.sizes) == 1:
            return common[0].partition(" ")[0]
        widths, heights = zip(*self.sizes, strict=True)
        more = f", {len(self.sizes) - 4:,} more" if len(self.sizes) > 4 else ""
        span = f"{min(widths)} to {max(widths)} wide, {min(heights)} to {max(heights)} high"
        return f"{span}: {', '.join(common)}{more}"


def look(
    name: str,
    data_dir: Path | None = None,
    *,
    each: int = 10,
    out: Path | None = None,
    quiet: bool = False,
) -> Survey:
    """Return what a data set is, and write a picture of some of it.

    Args:
        name: as :func:`gandem.core.plugins.registry.load_dataset` wants it, or the path of a folder.
        each: images of a class in the picture.
        out: the picture's file, a ``.png``; left out, none is written.
        quiet: show no progress.

    Raises:
        GandemError: there is no such data, or the picture cannot be written.
    """
    if out is not None and out.suffix.lower() != ".png":
        raise DataError(f"{out}: expected a name that ends in .png.")
    if out is not None and not out.parent.is_dir():
        raise DataError(f"{out}: there is no folder {out.parent}.")
    found = find_dataset(_whole(name), data_dir)
    if isinstance(found, Fittable):
        survey = found.survey(quiet=quiet)
        if out is not None:
            save_image(out, sheet(found.some(each, SHOWN), each))
    else:
        survey = survey_of(found)
        if out is not None:
            save_image(out, picture_of(found, each))
    return survey


def _whole(name: str) -> str:
    """Return the name of a data set for what may be a path alone."""
    heads = [row.id for row in registry().entries("datasets")]
    head = name.partition(":")[0]
    if head in heads or any(known.rpartition("/")[2] == head for known in heads):
        return name
    is_path = name.startswith(("~", ".")) or os.path.exists(name) or ":" not in name
    return f"folder:{name}" if is_path and (os.sep in name or os.path.exists(name)) else name


def survey_of(dataset: Dataset) -> Survey:
    """Return what a data set in memory, or on disk, is; its rows are compared byte by byte."""
    count, shape = len(dataset.images), dataset.shape
    seen: dict[bytes, int] = {}
    copies = []
    for start in range(0, count, CHUNK):
        for place, image in enumerate(dataset.images[start : start + CHUNK], start):
            mark = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
            if (first := seen.setdefault(mark, place)) != place:
                copies.append(f"row {place}: the same as row {first}")
    images = len(shape) == 3
    return Survey(
        name=dataset.name,
        source=dataset.source or "somewhere",
        count=count,
        sizes={(shape[1], shape[0]): count} if images else {},
        modes={"gray" if shape[-1] == 1 else "color": count} if images else {},
        classes=count_of_classes(dataset.labels, dataset.class_names),
        unread=dataset.notes,
        copies=tuple(copies),
        points=0 if images else shape[0],
    )


def count_of_classes(labels: np.ndarray | None, names: tuple[str, ...]) -> dict[str, int]:
    """Return how many images each class has, by its name, or by its number where it has none.

    >>> count_of_classes(np.array([0, 2, 0]), ("cat", "dog", "owl"))
    {'cat': 2, 'dog': 0, 'owl': 1}
    """
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(names))
    return {(names[c] if c < len(names) else str(c)): int(n) for c, n in enumerate(counts)}


def _some_of(dataset: Dataset, each: int) -> list[tuple[str, list[np.ndarray]]]:
    """Return the first few images of each class by its name, or of all where there are none."""
    if dataset.labels is None:
        return [("", list(dataset.images[: each * each]))]
    found = []
    for label in range(min(dataset.classes, MOST_ROWS)):
        rows = np.flatnonzero(dataset.labels == label)[:each]
        name = dataset.class_names[label] if dataset.class_names else str(label)
        found.append((name, list(dataset.images[rows])))
    return found


def sheet(groups: list[tuple[str, list[np.ndarray]]], columns: int) -> np.ndarray:
    """Return one picture (height, width, 3) in which each group has rows of its own, and its name
    beside the first.

    Args:
        groups: names, and images uint8 (H, W, 1 or 3), all of one shape.
        columns: images in a row.
    """
    from PIL import Image, ImageDraw, ImageFont

    groups = [group for group in groups if group[1]][:MOST_ROWS]
    height, width, _ = groups[0][1][0].shape
    zoom = max(1, LEAST // max(height, width))
    height, width, gap = height * zoom, width * zoom, 2
    font = ImageFont.load_default(14)
    names = [_cut(name) for name, _ in groups]
    margin = max(int(font.getlength(name)) + 12 if name else 0 for name in names)
    rows = [-(-len(images) // columns) for _, images in groups]
    size = (margin + columns * (width + gap) + gap, sum(rows) * (height + gap) + gap)
    canvas = Image.new("RGB", size, (96, 96, 96))
    pen, top = ImageDraw.Draw(canvas), gap
    for (_, images), name, deep in zip(groups, names, rows, strict=True):
        pen.text((6, top + max(0, height // 2 - 9)), name, fill="white", font=font)
        for place, image in enumerate(images):
            row, column = divmod(place, columns)
            large = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
            large = large.repeat(3, axis=2) if large.shape[2] == 1 else large
            spot = (margin + gap + column * (width + gap), top + row * (height + gap))
            canvas.paste(Image.fromarray(large), spot)
        top += deep * (height + gap)
    return np.asarray(canvas)


def picture_of(dataset: Dataset, each: int) -> np.ndarray:
    """Return a picture of a data set: some images of each class, or all points."""
    if len(dataset.shape) == 1:
        return scatter(np.asarray(dataset.images))
    return sheet(_some_of(dataset, each), each)


def _few(lines: tuple[str, ...]) -> str:
    more = f"; and {len(lines) - 3:,} more" if len(lines) > 3 else ""
    return "; ".join(lines[:3]) + more


def _by_count(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _cut(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in name)
    return plain if len(plain) <= 24 else f"{plain[:23]}…"
