"""Checks of the data against a spec, before the first step."""

from __future__ import annotations

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, format_count
from gandem.core.specs import Points, Spec, plan_spec


def check_shape(spec: Spec, dataset: Dataset, scale: int = 1) -> None:
    """Refuse data whose images, or points, have another shape than those of the spec.

    Args:
        scale: pixels of the data along a pixel of the spec.
    """
    shape, expected = dataset.shape, spec.image.shape
    if shape == (*(scale * side for side in expected[:-1]), expected[-1]):
        return
    if len(shape) == 1:  # of points
        raise DataError(
            f"{dataset.name}: it has points of {format_count(shape[0], 'number')}, the spec "
            f"{spec.name!r} expects {_describe(spec)}; choose a model that can make points, like "
            f"mlp-gan, with --set image={shape[0]}."
        )
    raise DataError(
        f"{dataset.name}: its images are {shape}, the spec {spec.name!r} expects "
        f"{_describe(spec)}; choose other data, or set the image."
    )


def _describe(spec: Spec) -> str:
    if isinstance(spec.image, Points):
        return f"points of {format_count(spec.image.size, 'number')}"
    return f"{spec.image.shape}"


def check_labels(spec: Spec, dataset: Dataset) -> None:
    """Refuse data whose labels do not fit the classes of the spec."""
    labels = dataset.labels
    if labels is None:
        raise DataError(f"{dataset.name}: it has no labels, the spec {spec.name!r} is conditional.")
    if len(labels) and (labels.min() < 0 or labels.max() >= spec.classes):
        bad = int(labels.min() if labels.min() < 0 else labels.max())
        raise DataError(
            f"{dataset.name}: it has the label {bad}, the spec {spec.name!r} knows 0 to "
            f"{spec.classes - 1}; set classes={bad + 1}, or choose fewer with --classes."
        )
    if dataset.classes < spec.classes:
        raise DataError(
            f"{dataset.name}: it has {format_count(dataset.classes, 'class', 'classes')}, the spec "
            f"{spec.name!r} has {spec.classes}; set classes={dataset.classes}."
        )


def refuse_ungrouped_batch(spec: Spec, rows: int) -> None:
    """Refuse a partial batch that cannot be divided into groups of packed images."""
    if rows % spec.training.pac:
        raise DataError(
            f"training.pac: the last batch has {rows} images, which cannot be divided into groups "
            f'of {spec.training.pac}; set training.partial_batch="drop".'
        )


def refuse_tiny_batch(spec: Spec, rows: int) -> None:
    """Refuse batches that give batch norm a single value per channel, which has no variance."""
    for player, plan in plan_spec(spec).items():
        seen = rows // spec.training.pac if player == "discriminator" else rows
        for node in plan.walk():
            *pixels_shape, channels = node.input_shape
            if node.layer.depends_on_batch and node.layer.removes_constant(channels):
                pixels = int(np.prod(pixels_shape))
                if seen * pixels < 2:
                    raise DataError(
                        f"{node.path}: a batch of {rows} gives batch norm one value a channel; "
                        'choose another batch size, or training.partial_batch="drop".'
                    )
