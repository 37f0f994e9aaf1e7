"""Augmentation and instance noise, applied to real and fake images before the discriminator.

Positions and numbers are drawn here, with NumPy. The step only multiplies and adds, so every
backend moves the same pixels and the generator gets a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs import Shape, Spec, image_of
from gandem.core.training.ops import Ops, Tensor

__all__ = ["disturb", "disturbance_shapes", "draw_disturbances", "flip_half"]


def disturb(ops: Ops, images: Tensor, inputs: Mapping[str, Tensor], where: str) -> Tensor:
    """Return images (N, H, W, C), or points (N, D), as the discriminator sees them.

    Args:
        inputs: of the step; those named by :func:`disturbance_shapes` may be missing.
        where: which images of the step: ``"real/0"``, ``"fake/0"``, …, ``"generator"``.
    """
    if f"rows/{where}" in inputs:
        images = ops.warp(images, inputs[f"rows/{where}"], inputs[f"columns/{where}"])
    if f"window/{where}" in inputs:
        images = images * inputs[f"window/{where}"]
    if f"disturbance/{where}" in inputs:
        images = images + inputs[f"disturbance/{where}"]
    return images


def disturbance_shapes(spec: Spec, where: str, rows: int) -> dict[str, Shape]:
    """Return the name and shape, batch first, of what disturbs ``rows`` images of a step."""
    augment = spec.training.augment
    found: dict[str, Shape] = {}
    if augment.moves or augment.cutout:
        height, width, _ = image_of(spec).shape
        if augment.moves:
            found[f"rows/{where}"] = (rows, height, height)
            found[f"columns/{where}"] = (rows, width, width)
        if augment.cutout:
            found[f"window/{where}"] = (rows, height, width, 1)
    if spec.training.instance_noise:
        found[f"disturbance/{where}"] = (rows, *spec.image.shape)
    return found


def draw_disturbances(
    spec: Spec, where: str, rows: int, seed: int, step: int, training: Any = None
) -> dict[str, np.ndarray]:
    """Draw the arrays of :func:`disturbance_shapes`, float64, for a step counted from 0.

    Args:
        training: of the spec, with the values of the step in place of schedules.
    """
    training = training or spec.training
    found: dict[str, np.ndarray] = {}
    wanted = disturbance_shapes(spec, where, rows)
    if not wanted:  # the usual case; creating a stream is slow
        return found
    for name, shape in wanted.items():
        if name.startswith("disturbance/"):
            generator = stream(seed, Purpose.INSTANCE_NOISE, step, part_of(name))
            found[name] = training.instance_noise * generator.normal(size=shape)
    generator = stream(seed, Purpose.AUGMENT, step, part_of(where))
    return found | _augment(spec, where, rows, generator)


def flip_half(images: np.ndarray, seed: int, step: int, part: int) -> np.ndarray:
    """Return images (N, H, W, C), a random half of them mirrored left to right."""
    chosen = stream(seed, Purpose.FLIP, step, part).random(len(images)) < 0.5
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


def _augment(
    spec: Spec, where: str, rows: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    augment = spec.training.augment
    found: dict[str, np.ndarray] = {}
    if not (augment.moves or augment.cutout):
        return found
    height, width, _ = image_of(spec).shape
    if augment.moves:
        down, right = (
            generator.integers(-limit, limit + 1, rows)
            for limit in (_pixels(augment.translation, size) for size in (height, width))
        )
        flips = generator.random(rows) < 0.5 if augment.flip else np.zeros(rows, bool)
        found[f"rows/{where}"] = _shifts(height, down)
        columns = _shifts(width, right)
        columns[flips] = columns[flips][:, :, ::-1]  # mirrored first, then moved
        found[f"columns/{where}"] = columns
    if augment.cutout:
        inside = [
            _cut(size, _pixels(augment.cutout, size), generator, rows) for size in (height, width)
        ]
        cut = inside[0][:, :, None] & inside[1][:, None, :]  # (N, H, W)
        found[f"window/{where}"] = 1.0 - cut[..., None]
    return found


def _pixels(share: float, size: int) -> int:
    """Return a share of a size in pixels; halves are rounded up, as in DiffAugment."""
    return int(share * size + 0.5)


def _shifts(size: int, by: np.ndarray) -> np.ndarray:
    """Return a matrix (size, size) for each distance that shifts by that many places."""
    places = np.arange(size)
    found: np.ndarray = places[None, :, None] - by[:, None, None] == places[None, None, :]
    return found.astype(np.float64)


def _cut(size: int, length: int, generator: np.random.Generator, rows: int) -> np.ndarray:
    """Return a mask (rows, size) of an interval of that length at a random center."""
    start = generator.integers(0, size + (1 - length % 2), rows)[:, None] - length // 2
    places = np.arange(size)
    return (places >= start) & (places < start + length)
