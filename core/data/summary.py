"""What a summary of a data set holds: counts, sizes, classes, and likely problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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
