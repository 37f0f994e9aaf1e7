"""Summaries of data sets: counts, sizes, classes, and likely problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gandem.core.errors import printable

__all__ = ["DatasetSummary", "count_classes", "describe_brightness", "format_few"]

MIN_SIDE = 8
"""Pixels; smaller images are reported as a problem."""
MAX_IMBALANCE = 10
"""Largest class over smallest class; a larger ratio is reported as a problem."""
MAX_CLASSES_LISTED = 20
DARK_LEVEL = 32
"""Of 255; an image with fewer than ``MIN_BRIGHT`` of its values from here on is nearly black."""
MIN_BRIGHT = 0.002
MIN_PROBLEM_SHARE = 0.1
"""Share of images from which on their brightness is reported."""
MAX_VALUES_CHECKED = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """The contents of a data set, and its likely problems.

    Attributes:
        count: number of readable images or points.
        sizes: number of images by (width, height).
        modes: number of images by kind: ``"gray"``, ``"color"``, or either ``"with transparency"``.
        classes: number of images by class name; empty without labels.
        unread: files that were skipped, with the reason.
        copies: files or rows that repeat an earlier one.
        notes: other problems, one line each.
        points: dimensions of a point; 0 for images.
    """

    name: str
    source: str
    count: int
    sizes: Mapping[tuple[int, int], int]
    modes: Mapping[str, int]
    classes: Mapping[str, int]
    unread: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    points: int = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """Likely problems, one line each."""
        problems = list(self.notes)
        if self.unread:
            problems.append(f"{len(self.unread):,} left out: {format_few(self.unread)}")
        if self.copies:
            problems.append(f"{len(self.copies):,} copies: {format_few(self.copies)}")
        if len(self.modes) > 1:
            kinds = ", ".join(f"{n:,} {mode}" for mode, n in self.modes.items())
            problems.append(f"they differ in kind: {kinds}")
        if small := sum(n for size, n in self.sizes.items() if min(size) < MIN_SIDE):
            problems.append(f"{small:,} are narrower than {MIN_SIDE} pixels")
        sizes = {name: n for name, n in self.classes.items() if n}
        if sizes and max(sizes.values()) > MAX_IMBALANCE * min(sizes.values()):
            most = max(sizes, key=lambda name: sizes[name])
            least = min(sizes, key=lambda name: sizes[name])
            problems.append(
                f"classes are uneven: {sizes[most]:,} of {most!r}, {sizes[least]:,} of {least!r}"
            )
        if len(sizes) > MAX_CLASSES_LISTED and self.count < 2 * len(sizes):
            problems.append(
                f"{len(sizes):,} classes for {self.count:,} images: the labels may be no classes"
            )
        if empty := [name for name, n in self.classes.items() if not n]:
            problems.append(f"classes without any image: {format_few(list(map(repr, empty)))}")
        return tuple(problems)

    def to_data(self) -> dict[str, Any]:
        """Return the summary as plain data."""
        sizes = [{"width": w, "height": h, "count": n} for (w, h), n in _sort_by_count(self.sizes)]
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

    def format(self) -> str:
        """Return the summary as text, several lines."""
        noun = f"points of {self.points} numbers" if self.points else "images"
        noun = noun if self.count != 1 else noun.replace("s", "", 1)
        lines = [f"{self.name}: {self.count:,} {noun}, from {self.source}"]
        if self.sizes:
            lines.append(f"sizes      {self._format_sizes()}")
            kinds = ", ".join(f"{n:,} {mode}" for mode, n in _sort_by_count(self.modes))
            lines.append(f"kinds      {kinds}")
        shown = list(self.classes.items())[:MAX_CLASSES_LISTED]
        for place, (name, n) in enumerate(shown):
            lines.append(f"{'classes' if place == 0 else '':<10} {n:>7,}  {place} {name}".rstrip())
        if len(self.classes) > len(shown):
            lines.append(f"{'':<19} and {len(self.classes) - len(shown):,} more classes")
        if not self.classes:
            lines.append("classes    none: it has no labels")
        lines += [f"! {problem}" for problem in self.problems]
        return "\n".join(map(printable, lines))

    def _format_sizes(self) -> str:
        common = [f"{w}×{h} ({n:,})" for (w, h), n in _sort_by_count(self.sizes)[:4]]
        if len(self.sizes) == 1:
            return common[0].partition(" ")[0]
        widths, heights = zip(*self.sizes, strict=True)
        more = f", {len(self.sizes) - 4:,} more" if len(self.sizes) > 4 else ""
        span = f"{min(widths)} to {max(widths)} wide, {min(heights)} to {max(heights)} high"
        return f"{span}: {', '.join(common)}{more}"


def count_classes(labels: np.ndarray | None, names: tuple[str, ...]) -> dict[str, int]:
    """Return the number of images by class name, or by class number if it has no name.

    >>> count_classes(np.array([0, 2, 0]), ("cat", "dog", "owl"))
    {'cat': 2, 'dog': 0, 'owl': 1}
    """
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(names))
    return {(names[c] if c < len(names) else str(c)): int(n) for c, n in enumerate(counts)}


def describe_brightness(images: Any) -> list[str]:
    """Return a line each if many images, uint8 (N, H, W, C), are nearly black or of one color."""
    size = int(np.prod(images.shape[1:]))
    count = max(1, min(len(images), 1000, MAX_VALUES_CHECKED // size))
    rows = np.unique(np.linspace(0, len(images) - 1, count).astype(np.int64))
    has_alpha = images.shape[3] in (2, 4)
    pixels = np.asarray(images[rows])[..., : images.shape[3] - has_alpha]
    pixels = pixels.reshape(len(rows), -1, pixels.shape[3])
    blank = (pixels == pixels[:, :1]).all((1, 2))
    dark = (pixels >= DARK_LEVEL).mean((1, 2)) < MIN_BRIGHT
    number = (
        f"{len(rows):,} images" if len(rows) == len(images) else f"{len(rows):,} sampled images"
    )
    lines = []
    if dark.mean() >= MIN_PROBLEM_SHARE:
        high = int(pixels[dark].max())
        lines.append(
            f"{dark.sum():,} of {number} are nearly black, with values up to {high} of 255; scale "
            "the values to the whole range"
        )
    if (blank & ~dark).mean() >= MIN_PROBLEM_SHARE:
        lines.append(f"{(blank & ~dark).sum():,} of {number} have one color only")
    return lines


def format_few(items: Sequence[str], most: int = 3) -> str:
    """Return the first few items and the number of the others.

    >>> format_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def _sort_by_count(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])
