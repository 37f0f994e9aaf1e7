"""Interpolation: animations between two classes, categories or noise vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gandem.core.data.images import scale_images, scale_size
from gandem.core.errors import SpecError
from gandem.core.runs.run import Run
from gandem.core.runs.sampling import CHUNK_SIZE, sample
from gandem.core.specs import image_of
from gandem.core.training import fixed_inputs, stored
from gandem.visualize.animation import Animation
from gandem.visualize.latent import (
    GeneratorOptions,
    check_class,
    hold_category,
    is_conditional,
    slerp,
)

__all__ = ["Interpolation", "interpolate"]


@dataclass(frozen=True, slots=True)
class Interpolation:
    """What is interpolated.

    Attributes:
        between: ``"label"``, the ``"category"`` of a latent code, or ``"noise"``; by default the
            label of a conditional model, or else the noise.
        path: ``"spherical"`` or ``"linear"``, of noise; by default spherical for normal noise.
        seed: of the fixed noise.
        count: number of noise vectors, shown side by side.
        label: the class while noise changes; by default the classes take turns.
    """

    between: Literal["label", "category", "noise"] | None = None
    path: Literal["spherical", "linear"] | None = None
    seed: int = 0
    count: int = 1
    label: int | None = None


def interpolate(
    run: Run,
    start: int = 0,
    end: int = 1,
    *,
    way: Interpolation | None = None,
    frames: int = 200,
    size: int | None = 96,
    bounce: bool = False,
    using: GeneratorOptions | None = None,
) -> Animation:
    """Return an animation of the images between two classes, or two seeds of the noise.

    Labels enter the networks as class weights, so classes can be mixed.

    Args:
        start: a class, a category, or a seed of the noise.
        end: likewise.
        frames: number of frames, those of the way back included.
        size: pixels of the longer side of each image; None for the size of the network's output.
        bounce: return to the start within the frames.

    Raises:
        SpecError: an unknown class, equal ends, or too few frames.
    """
    way, using = way or Interpolation(), using or GeneratorOptions()
    if frames < 2:
        raise SpecError(f"frames: expected at least 2, received {frames}.")
    if way.count < 1:
        raise SpecError(f"count: expected at least 1, received {way.count}.")
    if start == end:
        raise SpecError(f"Both ends are {start}; choose two different ones.")
    ends = _ends(run, start, end, way)
    shares = _shares(frames, bounce)
    height, width, _ = image_of(run.spec).shape
    if size is not None:
        height, width = scale_size(height, width, size)

    def make() -> Iterator[np.ndarray]:
        engine = run.engine(using.backend, using.device, using.which)
        few = max(1, CHUNK_SIZE // way.count)
        for first in range(0, frames, few):
            inputs = _between(run, ends, shares[first : first + few], way)
            images = sample(run.spec, engine, inputs, ema=using.ema).images
            for index in range(0, len(images), way.count):
                yield scale_images(images[index : index + way.count], size)

    titles = (
        f"{share:.0%}" if 0 < share < 1 else str((start, end)[int(share)]) for share in shares
    )
    return Animation(make, frames, (way.count, height, width), tuple(titles))


def _shares(frames: int, bounce: bool) -> np.ndarray:
    """Return the fraction of the way for each frame; both ends are reached exactly.

    >>> _shares(3, False).tolist(), _shares(4, True).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 0.5])
    """
    if not bounce:
        return np.linspace(0.0, 1.0, frames)
    forward = frames // 2 + 1
    back = np.linspace(1.0, 0.0, frames - forward + 2)[1:-1]
    return np.concatenate([np.linspace(0.0, 1.0, forward), back])


def _ends(run: Run, start: int, end: int, way: Interpolation) -> list[dict[str, np.ndarray]]:
    """Return the generator's inputs at both ends, each (count, …)."""
    spec, precision, count = run.spec, run.record.precision, way.count
    between = way.between or ("label" if is_conditional(spec) else "noise")
    if between == "noise":
        for seed in (start, end):
            if not 0 <= seed < 2**63:
                raise SpecError(f"seed: expected at least 0, received {seed}.")
        labels = None if way.label is None else np.full(count, check_class(spec, way.label))
        return [fixed_inputs(spec, seed, count, precision, labels) for seed in (start, end)]
    if way.path is not None:
        raise SpecError(f"A {between} is interpolated linearly; leave the path out.")
    if between == "label":
        if way.label is not None:
            raise SpecError("The label is interpolated; leave the label out, or choose the noise.")
        return [
            fixed_inputs(spec, way.seed, count, precision, np.full(count, check_class(spec, label)))
            for label in (start, end)
        ]
    if not spec.latent.categories:
        raise SpecError(f"The model {spec.name!r} has no categories in its latent code.")
    labels = None if way.label is None else np.full(count, check_class(spec, way.label))
    ends = [fixed_inputs(spec, way.seed, count, precision, labels) for _ in "ab"]
    for inputs, category in zip(ends, (start, end), strict=True):
        hold_category(spec, inputs["noise"], category)
    return ends


def _between(
    run: Run, ends: list[dict[str, np.ndarray]], shares: np.ndarray, way: Interpolation
) -> dict[str, np.ndarray]:
    """Return the inputs at fractions of the way, ordered by fraction."""
    spec, parts = run.spec, run.spec.latent.parts
    inputs = {name: _line(ends[0][name], ends[1][name], shares) for name in ends[0]}
    path = way.path or ("spherical" if spec.latent.distribution == "normal" else "linear")
    rest = slice(max((part.stop for part in parts.values()), default=0), None)
    a, b = (end["noise"][:, rest] for end in ends)
    if path == "spherical" and (a != b).any():
        inputs["noise"][..., rest] = slerp(a, b, shares)  # codes and categories stay linear
    dtype = stored(run.record.precision)
    return {
        name: value.reshape(-1, value.shape[-1]).astype(dtype) for name, value in inputs.items()
    }


def _line(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points of a straight line (K, N, D); equal coordinates stay exactly equal."""
    share = shares[:, None, None]
    moved = (1 - share) * start + share * end
    return np.where(start == end, start, moved)
