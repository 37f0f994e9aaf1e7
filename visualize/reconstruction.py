"""Images beside their encodings and reconstructions, of a model with an encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset, load_dataset, name_path
from gandem.core.data.images import to_bytes
from gandem.core.errors import DataError, SpecError, shown
from gandem.core.rng import Purpose, stream
from gandem.core.runs.generation.latents import write_arrays
from gandem.core.runs.generation.sampling import decode, encode
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import Spec, has_encoder, image_of
from gandem.visualize.latent import GeneratorOptions
from gandem.visualize.traversal import Table

TITLES = ("image", "encoding", "reconstruction")
TABLE_SIZE = 56
"""The longer side of an image in a table, in pixels."""
NORMAL_RANGE = 3.0
"""Largest value of normal noise that a picture of an encoding distinguishes."""


@dataclass(frozen=True, slots=True)
class Reconstructions:
    """Images with their encodings and reconstructions.

    Attributes:
        images: uint8 (N, H, W, C).
        encodings: (N, latent).
        reconstructions: uint8 (N, H, W, C).
        limit: the largest value that a picture of an encoding distinguishes.
    """

    images: np.ndarray
    encodings: np.ndarray
    reconstructions: np.ndarray
    limit: float

    def table(self) -> Table:
        """Return a table in which each image has three columns; an encoding is drawn as a square of
        gray numbers, row by row.
        """
        count = len(self.images)
        groups = max(1, round(math.sqrt(count / len(TITLES))))
        rows = math.ceil(count / groups)
        drawn = np.full((rows * groups, len(TITLES), *self.images.shape[1:]), 255, np.uint8)
        encoded = _draw_encodings(self.encodings, self.images.shape[1:], self.limit)
        drawn[:count] = np.stack([self.images, encoded, self.reconstructions], axis=1)
        cells = drawn.reshape(rows, groups * len(TITLES), *self.images.shape[1:])
        return Table(cells, TITLES * groups, (), TABLE_SIZE)

    def save(self, path: Path | str) -> None:
        """Write the table to a ``.png``, or the arrays to an ``.npz``.

        Raises:
            RunError: the table would be too large, or the path cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".npz":
            self.table().save(path)
            return
        names = ("images", "encodings", "reconstructions")
        write_arrays(path, {name: getattr(self, name) for name in names})


def _draw_encodings(encodings: np.ndarray, shape: tuple[int, ...], limit: float) -> np.ndarray:
    """Return a picture of each encoding (N, latent), uint8 (N, H, W, C)."""
    count, size = encodings.shape
    side = math.ceil(math.sqrt(size))
    squares = np.full((count, side * side), limit, encodings.dtype)
    squares[:, :size] = encodings
    gray = to_bytes(squares, -limit, limit).reshape(count, side, side)
    height, width, channels = shape
    down, across = (np.arange(length) * side // length for length in (height, width))
    pictures = np.repeat(gray[:, down][:, :, across, None], channels, axis=3)  # (N, H, W, C)
    if channels in (2, 4):
        pictures[..., -1] = 255  # opaque
    return pictures


def reconstruct(
    run: Run | Path | str,
    source: int | Path | str,
    *,
    seed: int = 0,
    data_dir: Path | str | None = None,
    **generator: Any,
) -> Reconstructions:
    """Return images, their encodings, and what the generator makes of these.

    Args:
        run: a run, or its folder.
        source: the number of images of the run's training data; or a folder, zip file or ``.npz``
            file of images.
        seed: of the choice of images.
        data_dir: a folder with the files of the training data.
        generator: ``backend``, ``device``, ``checkpoint`` and ``ema`` of :meth:`Run.generate`.

    Raises:
        SpecError: the model has no encoder, or generates points.
        DataError: there are no such images, or they have another shape.
    """
    run, options = open_run(run), GeneratorOptions(**generator)
    spec = run.spec
    _check_model(spec)
    dataset = _load_data(run, source, data_dir)
    if dataset.shape != spec.image.shape:
        received, expected = ("×".join(map(str, s)) for s in (dataset.shape, spec.image.shape))
        raise DataError(
            f"{dataset.name}: its images are {received}, the model {spec.name!r} encodes images of "
            f"{expected}."
        )
    rows = np.arange(len(dataset.images))
    if isinstance(source, int):
        rows = np.sort(stream(seed, Purpose.SAMPLES).permutation(rows)[:source])
    images = dataset.images[rows]
    labels = None if dataset.labels is None else dataset.labels[rows]
    engine = run.engine(options.backend, options.device, options.checkpoint)
    precision, limit = run.record.precision, NORMAL_RANGE
    if spec.latent.distribution == "uniform":
        limit = 1.0
    encodings = encode(spec, engine, images, precision, ema=options.ema)
    decoded = decode(spec, engine, encodings, labels, precision, ema=options.ema)
    return Reconstructions(images, encodings, decoded.images, limit)


def _check_model(spec: Spec) -> None:
    image_of(spec)
    if not has_encoder(spec):
        raise SpecError(
            f"The model {spec.name!r} has no encoder, so it cannot reconstruct images; train a "
            "model that has one, like bigan."
        )


def _load_data(run: Run, source: int | Path | str, data_dir: Path | str | None) -> Dataset:
    """Return the training data of a run, or the images of a path."""
    shape = run.spec.image.shape
    if not isinstance(source, int):
        name = name_path(str(source))
        if name is None:
            raise DataError(
                f"{shown(str(source))}: expected a number of images of the training data, or a "
                "folder, zip file or .npz file of images."
            )
        return load_dataset(name, None, shape)
    settings = run.settings()
    dataset = load_dataset(
        settings.data or "digits", data_dir or settings.data_dir or None, shape, settings.classes
    )
    if not 1 <= source <= len(dataset.images):
        raise DataError(
            f"{dataset.name}: expected 1 to {len(dataset.images)} of its images, received {source}."
        )
    return dataset
