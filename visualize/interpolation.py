"""From one class, category or noise to another: films of what a generator makes in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gandem.core.data.images import fitted, resized
from gandem.core.errors import SpecError
from gandem.core.runs.run import Run
from gandem.core.runs.sampling import CHUNK, sample
from gandem.core.specs import image_of
from gandem.core.training import fixed_inputs, stored
from gandem.visualize.animation import Film
from gandem.visualize.latent import Using, class_of, hold_category, is_conditional, slerp

__all__ = ["Way", "interpolate"]


@dataclass(frozen=True, slots=True)
class Way:
    """How an interpolation goes.

    Attributes:
        between: what moves: ``"label"``, the ``"category"`` of a latent code, or ``"noise"``; left
            out, the label of a conditional model, or else the noise.
        path: ``"spherical"`` or ``"linear"``, of noise; left out, spherical where it is normal.
        seed: of the noise that is held.
        count: vectors of noise that walk side by side.
        label: the class that is held while noise moves; left out, they take turns.
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
    way: Way | None = None,
    frames: int = 200,
    size: int | None = 96,
    bounce: bool = False,
    using: Using | None = None,
) -> Film:
    """Return a film of the images between two classes, or two seeds of the noise.

    Labels enter the networks as class weights, so there is something between class 6 and class 7.

    Args:
        start: a class; or a seed, where noise moves.
        end: likewise.
        frames: how many pictures, with the way back of ``bounce``.
        size: pixels of the longer side of each image; None for those of the network.
        bounce: go back again within the frames.

    Raises:
        SpecError: no such classes, both ends are one, or too few frames.
    """
    way, using = way or Way(), using or Using()
    if frames < 2:
        raise SpecError(f"frames: expected at least 2, received {frames}.")
    if way.count < 1:
        raise SpecError(f"count: expected at least 1, received {way.count}.")
    if start == end:
        raise SpecError(f"Both ends are {start}, so there is no way between; give two.")
    ends = _ends(run, start, end, way)
    shares = _shares(frames, bounce)
    height, width, _ = image_of(run.spec).shape
    if size is not None:
        height, width = fitted(height, width, size)

    def make() -> Iterator[np.ndarray]:
        engine = run.engine(using.backend, using.device, using.which)
        few = max(1, CHUNK // way.count)
        for first in range(0, frames, few):
            inputs = _between(run, ends, shares[first : first + few], way)
            made = sample(run.spec, engine, inputs, raw=using.raw).images
            for place in range(0, len(made), way.count):
                yield resized(made[place : place + way.count], size)

    titles = (
        f"{share:.0%}" if 0 < share < 1 else str((start, end)[int(share)]) for share in shares
    )
    return Film(make, frames, (way.count, height, width), tuple(titles))


def _shares(frames: int, bounce: bool) -> np.ndarray:
    """Return the share of the way for each frame; both ends are reached exactly.

    >>> _shares(3, False).tolist(), _shares(4, True).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 0.5])
    """
    if not bounce:
        return np.linspace(0.0, 1.0, frames)
    there = frames // 2 + 1
    back = np.linspace(1.0, 0.0, frames - there + 2)[1:-1]
    return np.concatenate([np.linspace(0.0, 1.0, there), back])


def _ends(run: Run, start: int, end: int, way: Way) -> list[dict[str, np.ndarray]]:
    """Return the generator's inputs at both ends, each (count, …)."""
    spec, precision, count = run.spec, run.facts["precision"], way.count
    between = way.between or ("label" if is_conditional(spec) else "noise")
    if between == "noise":
        for seed in (start, end):
            if not 0 <= seed < 2**63:
                raise SpecError(f"Noise moves between seeds, from 0; received {seed}.")
        labels = None if way.label is None else np.full(count, class_of(spec, way.label))
        return [fixed_inputs(spec, seed, count, precision, labels) for seed in (start, end)]
    if way.path is not None:
        raise SpecError(f"A {between} moves on a straight line; leave the path out.")
    if between == "label":
        if way.label is not None:
            raise SpecError("The label moves; leave the one to hold out, or move the noise.")
        return [
            fixed_inputs(spec, way.seed, count, precision, np.full(count, class_of(spec, label)))
            for label in (start, end)
        ]
    if not spec.latent.categories:
        raise SpecError(f"The model {spec.name!r} has no categories in its latent code.")
    labels = None if way.label is None else np.full(count, class_of(spec, way.label))
    ends = [fixed_inputs(spec, way.seed, count, precision, labels) for _ in "ab"]
    for inputs, category in zip(ends, (start, end), strict=True):
        hold_category(spec, inputs["noise"], category)
    return ends


def _between(
    run: Run, ends: list[dict[str, np.ndarray]], shares: np.ndarray, way: Way
) -> dict[str, np.ndarray]:
    """Return the inputs at some shares of the way, those of one share behind each other."""
    spec, parts = run.spec, run.spec.latent.parts
    made = {name: _line(ends[0][name], ends[1][name], shares) for name in ends[0]}
    path = way.path or ("spherical" if spec.latent.distribution == "normal" else "linear")
    rest = slice(max((part.stop for part in parts.values()), default=0), None)
    a, b = (inputs["noise"][:, rest] for inputs in ends)
    if path == "spherical" and (a != b).any():
        made["noise"][..., rest] = slerp(a, b, shares)  # codes and categories keep to the line
    dtype = stored(run.facts["precision"])
    return {name: value.reshape(-1, value.shape[-1]).astype(dtype) for name, value in made.items()}


def _line(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points of a straight line (K, N, D); what does not move stays as it is, exactly."""
    share = shares[:, None, None]
    moved = (1 - share) * start + share * end
    return np.where(start == end, start, moved)
