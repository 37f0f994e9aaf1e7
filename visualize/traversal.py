"""Tables of images: over values of the noise, and over all classes with the same noise."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gandem.core.data.images import save_image
from gandem.core.errors import SpecError, shown, suggest
from gandem.core.runs.generation.latents import MAX_VALUE, read_arrays
from gandem.core.runs.generation.sampling import MAX_COLUMNS, Images, sample
from gandem.core.runs.generation.styles import find_styles, to_styles
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import Spec, image_of
from gandem.core.training import fixed_inputs, one_hot
from gandem.core.training.feed.truncation import TRUNCATION
from gandem.visualize.images import check_image_size, draw_table, scale_images, scale_size
from gandem.visualize.latent import (
    GeneratorOptions,
    check_class,
    hold_category,
    is_conditional,
    move_styles,
)

__all__ = ["Table", "check_table", "each_label", "parse_dimensions", "parse_values", "traverse"]

MAX_VALUES = 1_000
"""Values of one traversal."""


@dataclass(frozen=True, slots=True)
class Table:
    """Images in rows and columns, uint8 (rows, columns, H, W, C), with their titles.

    Attributes:
        size: pixels of the longer side of an image in a file; None for the images' own size.
    """

    images: np.ndarray
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    size: int | None = None

    def save(self, path: Path | str) -> None:
        """Write a PNG.

        Raises:
            RunError: the PNG would be too large, or cannot be written.
        """
        down, across, *shape = self.images.shape
        large = scale_images(self.images.reshape(-1, *shape), self.size)
        table = large.reshape(down, across, *large.shape[1:])
        save_image(Path(path), draw_table(table, self.columns, self.rows))


def parse_values(text: str) -> tuple[float, ...]:
    """Parse ``first:last:count``, evenly spaced, or a list with commas.

    >>> parse_values("-1:1:5"), parse_values("-2,0,2.5")
    ((-1.0, -0.5, 0.0, 0.5, 1.0), (-2.0, 0.0, 2.5))

    Raises:
        SpecError: it is neither, or holds something that is not a number.
    """
    expected = "expected first:last:count, like -1:1:10, or a list, like -2,0,2"
    parts = text.split(":")
    try:
        if len(parts) == 1:
            values = tuple(float(part) for part in text.split(","))
        else:
            first, last, count = float(parts[0]), float(parts[1]), int(":".join(parts[2:]))
            if not 1 <= count <= MAX_VALUES:
                raise SpecError(
                    f"values: expected a count from 1 to {MAX_VALUES}, received {count}."
                )
            _check_values((first, last))
            values = tuple(float(value) for value in np.linspace(first, last, count))
    except (ValueError, OverflowError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"values: {expected}; received {shown(text)}.") from None
    _check_values(values)
    return values


def _check_values(values: Sequence[float]) -> None:
    if not 1 <= len(values) <= MAX_VALUES:
        raise SpecError(f"values: expected 1 to {MAX_VALUES} of them, received {len(values)}.")
    for value in values:
        if not abs(value) <= MAX_VALUE:  # NaN neither
            raise SpecError(f"values: expected numbers up to ±{MAX_VALUE:g}, received {value:g}.")


def parse_dimensions(text: str, spec: Spec) -> tuple[int, ...]:
    """Parse dimensions of the noise with commas, from 0; ``code`` stands for all codes.

    Raises:
        SpecError: a part is neither a number nor ``code``.
    """
    dimensions: list[int] = []
    for part in text.split(","):
        code = spec.latent.parts.get("code")
        if part.strip() == "code" and code is not None:
            dimensions += range(spec.latent.size)[code]
        elif re.fullmatch(r"\s*-?[0-9]{1,18}\s*", part):
            dimensions.append(int(part))
        else:
            known = ["code"] if code is not None else []
            raise SpecError(
                f"dimension: expected numbers with commas, like 3,8; received {shown(text)}."
                f"{suggest(part, known)}"
            )
    return tuple(dimensions)


def traverse(
    run: Run | Path | str,
    values: Sequence[float] | str = "-1:1:10",
    *,
    dimensions: Sequence[int] | str = (),
    direction: np.ndarray | Path | str | None = None,
    label: int | str | None = None,
    seed: int = 0,
    size: int | None = 56,
    space: Literal["z", "w"] = "z",
    progress: Callable[[int], None] | None = None,
    **generator: Any,
) -> Table:
    """Return a table with a column for each value of the noise.

    Without dimensions, all coordinates of the noise take the value, except for the category of a
    latent code.

    Args:
        run: a run, or its folder.
        values: numbers, or a text for :func:`parse_values`.
        dimensions: coordinates of the noise that change, one at a time, a row each; or a text for
            :func:`parse_dimensions`.
        direction: vectors (K, latent.size), a row each, along which the fixed noise is moved by the
            values; or the file of ``gandem directions``, with ``:N`` for one of them, from 0.
        label: the class, by number or name, or the category of an unconditional model; by default
            each has a row, or it is 0 for several dimensions.
        seed: of the fixed noise.
        size: pixels of the longer side of saved images.
        space: ``"w"`` adds the values to dimensions of the style of the seed, in all its copies.
        progress: called with the number of images generated so far.
        generator: ``backend``, ``device``, ``checkpoint``, ``ema`` and ``truncation`` of
            :meth:`Run.generate`.

    Raises:
        SpecError: an unknown dimension or label, or a value out of range; no styles.
        RunError: the table would be too large.
    """
    run, options = open_run(run), GeneratorOptions(**generator)
    label = None if label is None else run.find_label(label)
    values = parse_values(values) if isinstance(values, str) else values
    if isinstance(dimensions, str):
        dimensions = parse_dimensions(dimensions, run.spec)
    _check_values(values)
    spec = run.spec
    moves: tuple[np.ndarray, ...] = ()
    if direction is not None:
        if dimensions or space == "w":
            raise SpecError("A direction moves the noise; leave the dimensions and space='w' out.")
        moves, dimensions = _read_directions(direction, spec)
    for dimension in dimensions if not moves else ():
        _check_dimension(spec, dimension, space)
    what = "class" if is_conditional(spec) else "category" if spec.latent.categories else ""
    if label is not None or not what:
        kinds = [check_class(spec, label, what) if label is not None else 0]
    else:
        most = spec.classes if what == "class" else spec.latent.categories
        kinds = list(range(min(most, MAX_COLUMNS))) if len(dimensions) < 2 else [0]
    rows: list[tuple[int, int | None]] = [
        (kind, dimension) for kind in kinds for dimension in dimensions or (None,)
    ]
    check_table(spec, len(rows), len(values), size)
    inputs = _traversal(run, rows, values, seed, moves, options.truncation, space)
    engine = run.engine(options.backend, options.device, options.checkpoint)
    if space == "w":
        inputs = move_styles(spec, to_styles(spec, engine, inputs, ema=options.ema), rows, values)
    generated = sample(spec, engine, inputs, ema=options.ema, progress=progress).images
    images = generated.reshape(len(rows), len(values), *spec.image.shape)
    names = _names(run, spec.classes) if what == "class" else [f"category {k}" for k in kinds]
    if len(dimensions) > 1:
        titles = [_row_name(spec, dimension, moves) for _, dimension in rows]
    elif what:
        titles = [names[place] for place in (kinds if what == "class" else range(len(kinds)))]
    else:
        titles = [_row_name(spec, dimension, moves) for dimension in dimensions]
    return Table(images, _titles(values), tuple(titles), size)


def _traversal(
    run: Run,
    rows: Sequence[tuple[int, int | None]],
    values: Sequence[float],
    seed: int,
    moves: Sequence[np.ndarray] = (),
    truncation: float | None = None,
    space: str = "z",
) -> dict[str, np.ndarray]:
    """Return the generator's inputs (rows × values, …), row by row; in the space w the noise is
    that of the seed.

    Args:
        moves: directions that the second number of a row selects, in place of dimensions.
    """
    spec, precision = run.spec, run.record.precision
    drawn = fixed_inputs(spec, seed, 1, precision, truncation=truncation)
    count = len(rows) * len(values)
    noise = np.repeat(drawn["noise"], count, axis=0).reshape(len(rows), len(values), -1)
    free = slice(spec.latent.categories, None)
    for row, (kind, dimension) in enumerate(rows):
        if space == "w":
            pass
        elif dimension is None:
            noise[row, :, free] = np.asarray(values)[:, None]
        elif moves:
            noise[row] += np.outer(values, moves[dimension]).astype(noise.dtype)
        else:
            noise[row, :, dimension] = values
        if spec.latent.categories:
            hold_category(spec, noise[row], 0 if is_conditional(spec) else kind)
    inputs = {"noise": noise.reshape(-1, spec.latent.size)}
    if TRUNCATION in drawn:
        inputs[TRUNCATION] = np.repeat(drawn[TRUNCATION], count, axis=0)
    if is_conditional(spec):
        labels = np.repeat([kind for kind, _ in rows], len(values))
        inputs["label"] = one_hot(labels, spec.classes, precision)
    return inputs


def check_table(spec: Spec, rows: int, columns: int, size: int | None) -> None:
    """Check that a table of images is not too large for a picture.

    Raises:
        RunError: otherwise.
    """
    height, width, _ = image_of(spec).shape
    if size is not None:
        height, width = scale_size(height, width, size)
    check_image_size(rows * height, columns * width)


def _check_dimension(spec: Spec, dimension: int, space: str) -> None:
    if space == "w":
        (size,) = find_styles(spec).statistics[0].shape
        if not 0 <= dimension < size:
            raise SpecError(f"The style has no dimension {dimension}; expected 0 to {size - 1}.")
        return
    if not 0 <= dimension < spec.latent.size:
        raise SpecError(
            f"The noise has no dimension {dimension}; expected 0 to {spec.latent.size - 1}."
        )
    if dimension < spec.latent.categories:
        raise SpecError(
            f"Dimension {dimension} belongs to the category of the latent code, one of "
            f"{spec.latent.categories}; leave it out to get a row for each category."
        )


def _read_directions(
    direction: np.ndarray | Path | str, spec: Spec
) -> tuple[tuple[np.ndarray, ...], tuple[int, ...]]:
    """Return directions, and the places of those to show.

    Raises:
        RunError: the file cannot be read.
        SpecError: the directions belong to another model, or there is none of that number.
    """
    vectors, number = direction, ""
    if not isinstance(vectors, np.ndarray):
        path, _, number = str(direction).rpartition(":")
        if not Path(path).is_file():  # the colon is part of the name
            path, number = str(direction), ""
        elif not number.isdecimal():
            raise SpecError(
                f"{path}: expected the number of a direction after the colon, from 0, received "
                f"{shown(number)}."
            )
        vectors = read_arrays(path, ("directions",))["directions"]
    if vectors.ndim != 2 or vectors.shape[1] != spec.latent.size or not len(vectors):
        raise SpecError(
            f"The directions have the shape {vectors.shape}, the model {spec.name!r} expects "
            f"(N, {spec.latent.size})."
        )
    if number and int(number[:9]) >= len(vectors):
        raise SpecError(f"No direction {number[:9]}; expected 0 to {len(vectors) - 1}.")
    places = (int(number),) if number else tuple(range(len(vectors)))
    return tuple(vectors), places


def _row_name(spec: Spec, place: int | None, moves: Sequence[np.ndarray]) -> str:
    return f"direction {place}" if moves else _dimension_name(spec, place)


def _dimension_name(spec: Spec, dimension: int | None) -> str:
    code = spec.latent.parts.get("code", slice(0, 0))
    if dimension is not None and code.start <= dimension < code.stop:
        return f"code {dimension - code.start}"
    return f"dimension {dimension}"


def _titles(values: Sequence[float]) -> tuple[str, ...]:
    """Return values with as few digits as distinguish them.

    >>> _titles((-1.0, -0.7777777, 0.5))
    ('-1.00', '-0.78', '0.50')
    """
    for places in range(7):
        titles = tuple(f"{value:.{places}f}" for value in values)
        are_distinct = len(set(titles)) == len(set(values))
        errors = [abs(float(title) - v) for title, v in zip(titles, values, strict=True)]
        if are_distinct and max(errors) < 0.005:
            return titles
    return tuple(f"{value:g}" for value in values)


def each_label(
    run: Run,
    each: int = 10,
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    **generator: Any,
) -> tuple[Images, Table]:
    """Return images of every class from the same noise, and their table with a row per class.

    Args:
        each: number of images per class.
        progress: called with the number of images generated so far.

    Raises:
        SpecError: the model has no classes.
        RunError: the table would be too large.
    """
    spec, options = run.spec, GeneratorOptions(**generator)
    if each < 1:
        raise SpecError(f"each_label: expected at least 1 image, received {each}.")
    if not is_conditional(spec):
        raise SpecError(
            f"The model {spec.name!r} has no classes; make images without --each-label."
        )
    check_table(spec, spec.classes, each, None)
    precision, labels = run.record.precision, np.zeros(each, int)
    drawn = fixed_inputs(spec, seed, each, precision, labels, truncation=options.truncation)
    inputs = {
        "noise": np.tile(drawn["noise"], (spec.classes, 1)),
        "label": one_hot(np.repeat(range(spec.classes), each), spec.classes, precision),
    }
    engine = run.engine(options.backend, options.device, options.checkpoint)
    generated = sample(spec, engine, inputs, ema=options.ema, progress=progress)
    images = generated.images.reshape(spec.classes, each, *spec.image.shape)
    size = 2 * max(spec.image.shape[:2])
    return generated, Table(images, (), tuple(_names(run, spec.classes)), size)


def _names(run: Run, classes: int) -> list[str]:
    """Return the names of the classes, or their numbers if the data has no names."""
    names = run.record.data.class_names
    if len(names) == classes:
        return ["".join(c if c.isprintable() else "?" for c in name)[:24] for name in names]
    return [str(label) for label in range(classes)]
