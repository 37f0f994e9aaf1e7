"""Samples of many trainings as PNGs for one page: each once, and all of them within its size."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandem.core.data.images import read_picture
from gandem.core.errors import RunError
from gandem.core.runs import Run

__all__ = ["LARGEST", "MOST_STEPS", "Picture", "pictures_of", "room_for"]

MOST_STEPS = 12
"""Pictures of one training."""
LARGEST = 4_000_000
"""Bytes of all pictures together, in base64."""
WAYS: tuple[tuple[int, int], ...] = (
    *((1, MOST_STEPS), (1, 6), (2, MOST_STEPS), (2, 6)),
    *((4, MOST_STEPS), (4, 6), (4, 3), (4, 1), (8, 1), (16, 1)),
)
"""To make room: how many times smaller, and how many steps; the first that is small enough."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG.

    Attributes:
        width, height: in pixels, of which each may stand for several of the file's.
        blocks: each pixel stands for several, and shall be shown with sharp edges.
    """

    png: bytes
    width: int
    height: int
    blocks: bool

    @property
    def text(self) -> str:
        """In base64."""
        return base64.b64encode(self.png).decode()


def pictures_of(runs: Sequence[Run | None]) -> list[dict[int, Picture]]:
    """Return what each training has drawn, by its step: the last, and some of those before it, of
    the same steps in all trainings. A damaged file is left out.
    """
    there = [{run.sampled_at(path): path for path in run.samples()} if run else {} for run in runs]
    wanted = set(_some(sorted({step for paths in there for step in paths}), MOST_STEPS))
    found = []
    for paths in there:
        chosen = [step for step in paths if step in wanted or step == max(paths)]
        read = {step: _read(paths[step]) for step in sorted(chosen)}
        found.append({step: picture for step, picture in read.items() if picture})
    return found


def room_for(
    pictures: Sequence[Mapping[int, Picture]], largest: int = LARGEST
) -> list[dict[int, Picture]]:
    """Return the pictures, or smaller ones, or those of fewer steps, so that all of them together
    take at most ``largest`` bytes in base64; none at all where even that is not enough.
    """
    smaller: dict[tuple[bytes, int], Picture] = {}
    for shrink, count in WAYS:
        made = []
        for of in pictures:
            kept = {step: of[step] for step in _some(sorted(of), count)}
            for step, picture in kept.items():
                key = (picture.png, shrink)
                if key not in smaller:
                    smaller[key] = _shrunk(picture, shrink)
                kept[step] = smaller[key]
            made.append(kept)
        once = {picture.png for of in made for picture in of.values()}
        if sum(-(-len(png) // 3) * 4 for png in once) <= largest:
            return made
    return [{} for _ in pictures]


def _some(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many of some steps, evenly spread, the last among them."""
    if len(steps) <= most:
        return list(steps)
    places = np.linspace(len(steps) - 1, 0, most).round().astype(int)
    return sorted(steps[place] for place in places)


def _read(path: Path) -> Picture | None:
    try:
        picture = read_picture(path)
    except RunError:
        return None
    blocks = _is_doubled(picture)
    return _encoded(picture[::2, ::2] if blocks else picture, blocks)


def _is_doubled(picture: np.ndarray) -> bool:
    """Return whether a picture consists of squares of 2×2 equal pixels."""
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    if picture.shape[:2] != (height, width):
        return False
    small = picture[::2, ::2]
    return all(np.array_equal(picture[a::2, b::2], small) for a, b in ((0, 1), (1, 0), (1, 1)))


def _encoded(picture: np.ndarray, blocks: bool) -> Picture:
    from PIL import Image

    gray = bool((picture[..., :1] == picture).all())
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if gray else picture).save(buffer, "png", optimize=True)
    return Picture(buffer.getvalue(), picture.shape[1], picture.shape[0], blocks)


def _shrunk(picture: Picture, times: int) -> Picture:
    if times == 1:
        return picture
    from PIL import Image

    with Image.open(io.BytesIO(picture.png), formats=["PNG"]) as image:
        small = np.asarray(image.reduce(times).convert("RGB"))
    return _encoded(small, blocks=False)
