"""Style mixing: a table of images that have the coarse styles of one image and the fine ones of
another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from gandem.core.errors import SpecError, shown
from gandem.core.runs.generation.sampling import sample
from gandem.core.runs.generation.styles import (
    compute_styles,
    find_styles,
    parse_layers,
    style_inputs,
)
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import Styles, image_of
from gandem.core.training import fixed_inputs
from gandem.visualize.latent import GeneratorOptions, check_class
from gandem.visualize.traversal import Table, check_table

__all__ = ["mix", "parse_seeds"]

MAX_SEEDS = 1_000
"""Rows or columns of a table."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse seeds: ``first:end``, or a list with commas.

    >>> parse_seeds("0:3"), parse_seeds("85,100")
    ((0, 1, 2), (85, 100))

    Raises:
        SpecError: it is neither, or there are too many.
    """
    number = "[0-9]{1,15}"
    if re.fullmatch(f"{number}:{number}", text):
        first, end = map(int, text.split(":"))
        if first < end <= first + MAX_SEEDS:
            return tuple(range(first, end))
    elif re.fullmatch(f"{number}(,{number}){{0,{MAX_SEEDS - 1}}}", text):
        return tuple(map(int, text.split(",")))
    raise SpecError(
        f"seeds: expected FIRST:END, like 0:5, or a list, like 85,100, of up to {MAX_SEEDS}; "
        f"received {shown(text)}."
    )


def mix(
    run: Run | Path | str,
    rows: Sequence[int] | str = "0:5",
    columns: Sequence[int] | str = "5:10",
    *,
    layers: str = "coarse",
    label: int | str | None = None,
    size: int | None = None,
    progress: Callable[[int], None] | None = None,
    **generator: Any,
) -> Table:
    """Return a table of images with the styles of their row, but in some layers of their column.

    The first column shows the images of the rows, the first row those of the columns. Karras et al.
    2019, figure 3, arXiv:1812.04948.

    Args:
        run: a run, or its folder.
        rows: seeds of the noise, or a text for :func:`parse_seeds`.
        columns: likewise.
        layers: which styles come from the column: ``"coarse"``, ``"middle"`` or ``"fine"``, a third
            of them each, or copies of the style, ``"0:4"``.
        label: the class of all images, by number or name; by default 0.
        size: pixels of the longer side of each image; None for the size of the network's output.
        progress: called with the number of images generated so far.
        generator: ``backend``, ``device``, ``checkpoint``, ``ema`` and ``truncation`` of
            :meth:`Run.generate`.

    Raises:
        SpecError: the model has no styles, or a text is not understood.
        RunError: the table would be too large.
    """
    run, options = open_run(run), GeneratorOptions(**generator)
    spec, precision = run.spec, run.record.precision
    node = find_styles(spec)
    row_seeds, column_seeds = (
        parse_seeds(seeds) if isinstance(seeds, str) else tuple(seeds) for seeds in (rows, columns)
    )
    chosen = parse_layers(layers, cast(Styles, node.layer).count)
    across, down = len(column_seeds) + 1, len(row_seeds) + 1
    check_table(spec, down, across, size)
    labels = None if label is None else np.full(1, check_class(spec, run.find_label(label)))
    drawn = [
        fixed_inputs(spec, seed, 1, precision, labels, truncation=options.truncation)
        for seed in (*row_seeds, *column_seeds)
    ]
    inputs = {name: np.concatenate([part[name] for part in drawn]) for name in drawn[0]}
    engine = run.engine(options.backend, options.device, options.checkpoint)
    styles = compute_styles(spec, engine, inputs, ema=options.ema)
    of_rows, of_columns = styles[: len(row_seeds)], styles[len(row_seeds) :]
    table = np.repeat(np.concatenate([of_columns[:1], of_rows])[:, None], across, axis=1)
    table[0, 1:] = of_columns
    table[1:, 1:, chosen] = of_columns[:, chosen]
    flat = table.reshape(down * across, *styles.shape[1:])
    weights = np.repeat(inputs["label"][:1], len(flat), axis=0) if "label" in inputs else None
    mixed = style_inputs(spec, flat, weights)
    images = sample(spec, engine, mixed, ema=options.ema, progress=progress).images
    images = images.reshape(down, across, *image_of(spec).shape)
    images[0, 0] = 255  # the corner is empty
    column_titles, row_titles = (("", *map(str, seeds)) for seeds in (column_seeds, row_seeds))
    return Table(images, column_titles, row_titles, size)
