"""Stacked MNIST: three random digits in the color channels, 1,000 modes that can be counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.data.lazy_images import LazyImages
from gandem.core.errors import DataError, suggest
from gandem.core.rng import Purpose, part_of, stream
from gandem.data import digits, mnist

NAME = "stacked-mnist"
COUNT = 128_000
"""Images, 128 of each mode; as many as in Lin et al. 2018, arXiv:1712.04086, section 4.2."""
MODES = 1000
PARTS = ("train", "test", "all", "digits")


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return 128,000 images whose red, green and blue channels are digits drawn from MNIST.

    Metz et al. 2017, arXiv:1611.02163, section 3.3.1. The label of an image has the digit of the
    red channel as hundreds, of the green one as tens, and of the blue one as ones. All 1,000 modes
    are equally frequent; the digits of a class are drawn with replacement.

    Args:
        argument: the digits to draw: those of ``mnist``, ``mnist:test`` or ``mnist:all``, or
            ``digits`` for the embedded ones.
        data_dir: a folder with the files of MNIST.

    Raises:
        DataError: the argument is unknown, or MNIST is not available.
    """
    if argument and argument not in PARTS:
        raise DataError(
            f"{NAME}: it has no part {argument!r}, only {', '.join(PARTS[:-1])} and {PARTS[-1]}."
            f"{suggest(argument, PARTS)}"
        )
    drawn = digits.load("", None) if argument == "digits" else mnist.load(argument, data_dir)
    labels = np.arange(COUNT) % MODES
    channels = labels[:, None] // (100, 10, 1) % 10  # (N, 3)
    return Dataset(
        name=f"{NAME}:{argument}" if argument else NAME,
        images=StackedImages(np.asarray(drawn.images)[..., 0], _draw(drawn, channels)),
        labels=labels,
        class_names=tuple(f"{mode:03}" for mode in range(MODES)),
        source=f"three digits per image, drawn from {drawn.name}: {drawn.source}",
        license=drawn.license,
        classes_are_modes=True,
    )


def _draw(drawn: Dataset, classes: np.ndarray) -> np.ndarray:
    """Return the index of an image of each class, int32 in the shape of ``classes``."""
    assert drawn.labels is not None
    order = np.argsort(drawn.labels, kind="stable").astype(np.int32)  # images of a class in a row
    counts = np.bincount(drawn.labels)
    random = stream(0, Purpose.DATA, part=part_of(NAME)).random(classes.shape)
    places = (np.cumsum(counts) - counts)[classes] + (random * counts[classes]).astype(np.int64)
    return np.asarray(order[places])


class StackedImages(LazyImages):
    """Color images composed of gray ones when indexed: 301 MB of images are held as 49 MB.

    Args:
        gray: uint8 (M, H, W).
        rows: the gray images in the channels, (N, C).
    """

    def __init__(self, gray: np.ndarray, rows: np.ndarray) -> None:
        self._gray, self._rows = gray, rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self._rows), *self._gray.shape[1:], self._rows.shape[1])

    def select(self, which: np.ndarray) -> StackedImages:
        """Return some of the images by index or mask, without composing them."""
        return StackedImages(self._gray, self._rows[which])

    def _read(self, rows: Any) -> np.ndarray:
        stacks = self._gray[self._rows[rows]]  # (..., C, H, W)
        return np.ascontiguousarray(np.moveaxis(stacks, -3, -1))
