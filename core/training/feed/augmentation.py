"""Augmentation and instance noise, applied to real and fake images before the discriminator.

Positions and numbers are drawn here, with NumPy. The step only multiplies and adds, so every
backend moves the same pixels and the generator gets a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gandem.core.data.images import downsample_images
from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs import (
    IMAGE,
    Image,
    Shape,
    Spec,
    Transforms,
    at_resolution,
    image_shapes,
)
from gandem.core.training.ops import Ops, Tensor

CONSISTENT = "consistent/"
"""What the names of arrays begin with that change images for the consistency penalty."""
ADAPTATION_INTERVAL = 4
"""Steps from one adaptation of the probability to the next, as in Karras et al. 2020."""


def disturb(
    ops: Ops,
    images: Tensor,
    inputs: Mapping[str, Tensor],
    where: str,
    probability: Tensor = 1.0,
    name: str = IMAGE,
) -> Tensor:
    """Return images (N, H, W, C), or points (N, D), as the discriminator sees them.

    Args:
        inputs: of the step; those named by :func:`disturbance_shapes` may be missing.
        where: which images of the step: ``"real/0"``, ``"fake/0"``, …, ``"generator"``; with
            :data:`CONSISTENT` before it, their changes for the consistency penalty.
        probability: of each group of changes, if the inputs have gates.
        name: of the images, which says their resolution.
    """
    moves, columns, cuts, added = (
        f"{at_resolution(kind, name)}/{where}"
        for kind in ("rows", "columns", "window", "disturbance")
    )

    def choose(group: str, changed: Tensor) -> Tensor:
        """Return the changed images where the gate of a group is open."""
        if f"{group}_gate/{where}" not in inputs:
            return changed
        is_open = ops.positive(probability - inputs[f"{group}_gate/{where}"])  # (N, 1, 1, 1)
        return is_open * changed + (1.0 - is_open) * images

    if f"brightness/{where}" in inputs:
        images = choose("color", _recolor(ops, images, inputs, where))
    if moves in inputs:
        images = choose("move", ops.warp(images, inputs[moves], inputs[columns]))
    if cuts in inputs:
        images = choose("cutout", images * inputs[cuts])
    if added in inputs:
        images = images + inputs[added]
    return images


def adapt_probability(
    ops: Ops, spec: Spec, probability: Tensor, signs: Tensor, is_due: Tensor
) -> Tensor:
    """Return the probability of adaptive augmentation after a step.

    The mean sign of the logits of real images, twice their accuracy minus 1, says how far the
    discriminator overfits.

    Args:
        signs: the sum of the mean signs of the last :data:`ADAPTATION_INTERVAL` steps.
        is_due: 1 in the last of these steps, 0 in the others.

    Reference: Karras et al. 2020, section 3, arXiv:2006.06676.
    """
    augment, images = spec.training.augment, ADAPTATION_INTERVAL * spec.training.batch_size
    excess = signs / ADAPTATION_INTERVAL - augment.adaptive_target
    change = (ops.positive(excess) - ops.positive(-excess)) * (images / augment.adaptive_images)
    raised = ops.relu(probability + is_due * change)
    return raised - ops.relu(raised - 1.0)  # at most 1


def _recolor(ops: Ops, images: Tensor, inputs: Mapping[str, Tensor], where: str) -> Tensor:
    """Change brightness, saturation and contrast, in this order, as DiffAugment does."""
    brightness, saturation, contrast = (
        inputs[f"{name}/{where}"] for name in ("brightness", "saturation", "contrast")
    )
    images = images + brightness
    gray = ops.channel_mean(images)  # (N, H, W, 1)
    images = saturation * (images - gray) + gray
    mean = ops.image_mean(images)  # (N, 1, 1, 1)
    return contrast * (images - mean) + mean


def disturbance_shapes(spec: Spec, where: str, rows: int) -> dict[str, Shape]:
    """Return the name and shape, batch first, of what disturbs ``rows`` images of a step."""
    augment = spec.training.augment
    gated = augment.probability != 1.0 or bool(augment.adaptive_target)
    shapes = _transform_shapes(spec, augment, where, rows, gated)
    if spec.training.instance_noise:
        for name, shape in image_shapes(spec).items():
            shapes[f"{at_resolution('disturbance', name)}/{where}"] = (rows, *shape)
    consistency = spec.loss.consistency
    weights = {"real": consistency.real, "fake": consistency.fake}
    side, _, part = where.partition("/")
    if part != "generator" and weights.get(side):
        shapes |= _transform_shapes(spec, consistency, f"{CONSISTENT}{where}", rows, gated=False)
    return shapes


def _transform_shapes(
    spec: Spec, transforms: Transforms, where: str, rows: int, gated: bool
) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    if not (isinstance(spec.image, Image) and transforms.changes):
        return shapes
    groups = {"move": transforms.moves, "cutout": transforms.cutout, "color": transforms.recolors}
    for name, (height, width, _) in image_shapes(spec).items():
        if groups["move"]:
            shapes[f"{at_resolution('rows', name)}/{where}"] = (rows, height, height)
            shapes[f"{at_resolution('columns', name)}/{where}"] = (rows, width, width)
        if groups["cutout"]:
            shapes[f"{at_resolution('window', name)}/{where}"] = (rows, height, width, 1)
    if groups["color"]:
        for name in ("brightness", "saturation", "contrast"):
            shapes[f"{name}/{where}"] = (rows, 1, 1, 1)
    for name, is_used in groups.items():
        if gated and is_used:
            shapes[f"{name}_gate/{where}"] = (rows, 1, 1, 1)
    return shapes


def draw_disturbances(
    spec: Spec, where: str, rows: int, seed: int, step: int, training: Any = None
) -> dict[str, np.ndarray]:
    """Draw the arrays of :func:`disturbance_shapes`, float64, for a step counted from 0.

    Args:
        training: of the spec, with the values of the step in place of schedules.
    """
    training = training or spec.training
    drawn: dict[str, np.ndarray] = {}
    shapes = disturbance_shapes(spec, where, rows)
    for name, shape in shapes.items():
        if name.startswith("disturbance"):
            generator = stream(seed, Purpose.INSTANCE_NOISE, step, part_of(name))
            drawn[name] = training.instance_noise * generator.normal(size=shape)
        elif "_gate/" in name:
            drawn[name] = stream(seed, Purpose.AUGMENT, step, part_of(name)).random(shape)
    for prefix, transforms in (("", spec.training.augment), (CONSISTENT, spec.loss.consistency)):
        place = f"{prefix}{where}"
        if any(name.endswith(f"/{place}") for name in shapes.keys() - drawn.keys()):
            drawn |= _draw_transforms(spec, transforms, place, rows, seed, step)
    return drawn


def flip_half(images: np.ndarray, seed: int, step: int, part: int) -> np.ndarray:
    """Return images (N, H, W, C), a random half of them mirrored left to right."""
    chosen = stream(seed, Purpose.FLIP, step, part).random(len(images)) < 0.5
    return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)


def _draw_transforms(
    spec: Spec, transforms: Transforms, where: str, rows: int, seed: int, step: int
) -> dict[str, np.ndarray]:
    assert isinstance(spec.image, Image)
    drawn: dict[str, np.ndarray] = {}
    height, width, _ = spec.image.shape
    generator = stream(seed, Purpose.AUGMENT, step, part_of(where))
    if transforms.moves:
        down, right = (
            generator.integers(-limit, limit + 1, rows)
            for limit in (_pixels(transforms.translation, size) for size in (height, width))
        )
        flips = generator.random(rows) < 0.5 if transforms.flip else np.zeros(rows, bool)
        drawn[f"rows/{where}"] = _shifts(height, down)
        columns = _shifts(width, right)
        columns[flips] = columns[flips][:, :, ::-1]  # mirrored first, then moved
        drawn[f"columns/{where}"] = columns
    if transforms.cutout:
        inside = [
            _cut(size, _pixels(transforms.cutout, size), generator, rows)
            for size in (height, width)
        ]
        cut = inside[0][:, :, None] & inside[1][:, None, :]  # (N, H, W)
        drawn[f"window/{where}"] = 1.0 - cut[..., None]
    if transforms.recolors:
        half_range = (spec.image.high - spec.image.low) / 2
        for name, center, limit in (
            ("brightness", 0.0, transforms.brightness * half_range),
            ("saturation", 1.0, transforms.saturation),
            ("contrast", 1.0, transforms.contrast),
        ):
            spread = generator.uniform(-1.0, 1.0, (rows, 1, 1, 1))
            drawn[f"{name}/{where}"] = center + limit * spread
    for name, (lower_height, _, _) in image_shapes(spec).items():
        if lower_height < height:
            drawn |= _bring_to(name, height // lower_height, drawn, where)
    return drawn


def _bring_to(
    name: str, factor: int, drawn: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    """Return the changes of positions and the windows at a resolution that is lower by a factor.

    A pixel there is a block of pixels, so a shift by a part of it mixes two neighbors.
    """
    lower: dict[str, np.ndarray] = {}
    for kind in ("rows", "columns"):
        if (matrices := drawn.get(f"{kind}/{where}")) is not None:
            blocks = factor * downsample_images(matrices[..., None], factor)
            lower[f"{at_resolution(kind, name)}/{where}"] = blocks[..., 0]
    if (windows := drawn.get(f"window/{where}")) is not None:
        lower[f"{at_resolution('window', name)}/{where}"] = downsample_images(windows, factor)
    return lower


def _pixels(share: float, size: int) -> int:
    """Return a share of a size in pixels; halves are rounded up, as in DiffAugment."""
    return int(share * size + 0.5)


def _shifts(size: int, by: np.ndarray) -> np.ndarray:
    """Return a matrix (size, size) for each distance that shifts by that many places."""
    places = np.arange(size)
    shifts: np.ndarray = places[None, :, None] - by[:, None, None] == places[None, None, :]
    return shifts.astype(np.float64)


def _cut(size: int, length: int, generator: np.random.Generator, rows: int) -> np.ndarray:
    """Return a mask (rows, size) of an interval of that length at a random center."""
    start = generator.integers(0, size + (1 - length % 2), rows)[:, None] - length // 2
    places = np.arange(size)
    return (places >= start) & (places < start + length)
