"""The samples of many runs as PNGs for one page: each once, within a size limit, and legible."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gandem.core.errors import RunError
from gandem.core.runs import Run
from gandem.core.specs import Points
from gandem.visualize.images import read_image

MAX_STEPS = 12
"""Pictures of one run."""
MAX_BYTES = 4_000_000
"""Bytes of all pictures together, in base64."""
REDUCTIONS: tuple[tuple[int, int], ...] = (
    *((1, MAX_STEPS), (1, 6), (2, MAX_STEPS), (2, 6)),
    *((4, MAX_STEPS), (4, 6), (4, 3), (4, 1), (8, 1), (16, 1)),
)
"""Factors by which pictures shrink, and numbers of steps; the first that fits is used."""
MIN_SAMPLE = 28
"""Smallest width of one image on the page, in CSS pixels."""
MAX_COLUMNS = 10
"""Images of the smallest width that fit side by side on a screen of 375 pixels."""
GAP = 1
"""Pixels between two images of a grid, once it is halved."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG.

    Attributes:
        width, height: in pixels of the file.
        shown: width on the page in CSS pixels, at which each image is legible.
    """

    png: bytes
    width: int
    height: int
    shown: int

    @property
    def text(self) -> str:
        """The PNG in base64."""
        return base64.b64encode(self.png).decode()


def read_pictures(runs: Sequence[Run | None]) -> list[dict[int, Picture]]:
    """Return the samples of each run by step: the last, and some of those before it, at the same
    steps in all runs. Damaged files are left out.
    """
    paths = [{run.sampled_at(path): path for path in run.samples()} if run else {} for run in runs]
    shared = set(_spread(sorted({step for of_run in paths for step in of_run}), MAX_STEPS))
    pictures = []
    for run, of_run in zip(runs, paths, strict=True):
        steps = sorted(step for step in of_run if step in shared or step == max(of_run))
        read = {step: _read(of_run[step], run) for step in steps if run}
        pictures.append({step: picture for step, picture in read.items() if picture})
    return pictures


def limit_size(
    pictures: Sequence[Mapping[int, Picture]], limit: int = MAX_BYTES
) -> list[dict[int, Picture]]:
    """Return the pictures, smaller ones, or those of fewer steps, so that all of them take at most
    ``limit`` bytes in base64; none if that is impossible.
    """
    reduced: dict[tuple[bytes, int], Picture] = {}
    for factor, count in REDUCTIONS:
        result = []
        for of_run in pictures:
            kept = {step: of_run[step] for step in _spread(sorted(of_run), count)}
            for step, picture in kept.items():
                key = (picture.png, factor)
                if key not in reduced:
                    reduced[key] = _reduce(picture, factor)
                kept[step] = reduced[key]
            result.append(kept)
        unique = {picture.png for kept in result for picture in kept.values()}
        if sum(-(-len(png) // 3) * 4 for png in unique) <= limit:
            return result
    return [{} for _ in pictures]


def _spread(steps: Sequence[int], count: int) -> list[int]:
    """Return at most ``count`` steps, evenly spread, the last among them."""
    if len(steps) <= count:
        return list(steps)
    places = np.linspace(len(steps) - 1, 0, count).round().astype(int)
    return sorted(steps[place] for place in places)


def _read(path: Path, run: Run) -> Picture | None:
    try:
        pixels = read_image(path)
    except RunError:
        return None
    if _is_doubled(pixels):
        pixels = pixels[::2, ::2]
    image = run.spec.image
    if isinstance(image, Points):
        return _encode(pixels, min(pixels.shape[1], 320))
    pitch = image.width + GAP
    columns, rest = divmod(pixels.shape[1] - GAP, pitch)
    if rest or not columns:
        return _encode(pixels, pixels.shape[1])
    blocks = [
        pixels[:, start * pitch : (start + MAX_COLUMNS) * pitch + GAP]
        for start in range(0, columns, MAX_COLUMNS)
    ]
    width = max(block.shape[1] for block in blocks)
    stacked = np.full((len(blocks) * pixels.shape[0], width, 3), pixels[0, 0], np.uint8)
    for place, block in enumerate(blocks):
        top = place * pixels.shape[0]
        stacked[top : top + pixels.shape[0], : block.shape[1]] = block
    scale = max(1.0, MIN_SAMPLE / image.width)
    return _encode(stacked, round(stacked.shape[1] * scale))


def _is_doubled(pixels: np.ndarray) -> bool:
    """Return True if a picture consists of squares of 2×2 equal pixels."""
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    if pixels.shape[:2] != (height, width):
        return False
    small = pixels[::2, ::2]
    return all(np.array_equal(pixels[a::2, b::2], small) for a, b in ((0, 1), (1, 0), (1, 1)))


def _encode(pixels: np.ndarray, shown: int) -> Picture:
    from PIL import Image

    is_gray = bool((pixels[..., :1] == pixels).all())
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if is_gray else pixels).save(buffer, "png", optimize=True)
    return Picture(buffer.getvalue(), pixels.shape[1], pixels.shape[0], shown)


def _reduce(picture: Picture, factor: int) -> Picture:
    if factor == 1:
        return picture
    from PIL import Image

    with Image.open(io.BytesIO(picture.png), formats=["PNG"]) as image:
        small = np.asarray(image.reduce(factor).convert("RGB"))
    return _encode(small, picture.shown)
