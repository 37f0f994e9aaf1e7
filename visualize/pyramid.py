"""The images of one generator at all its resolutions, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.images import to_bytes
from gandem.core.errors import SpecError
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import Image, image_shapes, plan_spec
from gandem.core.training import fixed_inputs, run_resolutions
from gandem.visualize.images import check_image_size
from gandem.visualize.latent import GeneratorOptions, check_class
from gandem.visualize.traversal import Table

__all__ = ["DEFAULT_ROWS", "draw_pyramid"]

DEFAULT_ROWS = 8
"""Samples in a picture."""
MIN_SIZE = 64
"""Pixels of the shorter side of a drawn image, at least."""


def draw_pyramid(
    run: Run | Path | str,
    count: int = DEFAULT_ROWS,
    *,
    label: int | str | None = None,
    seed: int = 0,
    **generator: Any,
) -> Table:
    """Return a table with a row for each sample and a column for each resolution, the lowest first.

    Pixels are repeated, so that all images are equally large.

    Args:
        run: a run, or its folder.
        count: number of samples.
        label: the class, by number or name; by default the classes take turns.
        seed: of the noise.
        generator: ``backend``, ``device``, ``checkpoint``, ``ema`` and ``truncation`` of
            :meth:`Run.generate`.

    Raises:
        SpecError: the generator has only one resolution, or there is no such class.
        RunError: the picture would be too large.
    """
    run, options = open_run(run), GeneratorOptions(**generator)
    spec, shapes = run.spec, image_shapes(run.spec)
    if count < 1:
        raise SpecError(f"num_samples: expected at least 1 image, received {count}.")
    if len(shapes) == 1 or not isinstance(spec.image, Image):
        raise SpecError(
            f"The model {spec.name!r} has only one resolution; generate images without --pyramid, "
            "or train a model such as msg-gan."
        )
    height, width, channels = spec.image.shape
    zoom = -(-MIN_SIZE // min(height, width))
    check_image_size(count * zoom * height, len(shapes) * zoom * width)
    labels = None
    if label is not None:
        labels = np.full(count, check_class(spec, run.find_label(label)))
    precision = run.record.precision
    inputs = fixed_inputs(spec, seed, count, precision, labels, truncation=options.truncation)
    engine = run.engine(options.backend, options.device, options.checkpoint)
    plan, average = plan_spec(spec)["generator"], spec.training.averages and options.ema
    with report_memory_errors():
        images = run_resolutions(engine, plan, inputs, average=average)
    names = sorted(shapes, key=lambda name: shapes[name])
    table = np.empty((count, len(names), zoom * height, zoom * width, channels), np.uint8)
    for column, name in enumerate(names):
        repeats = zoom * height // shapes[name][0]
        pixels = to_bytes(images[name], spec.image.low, spec.image.high)
        table[:, column] = pixels.repeat(repeats, axis=1).repeat(repeats, axis=2)
    titles = tuple(f"{shapes[name][1]}×{shapes[name][0]}" for name in names)
    return Table(table, titles, ())
