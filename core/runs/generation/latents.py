"""Latent vectors in a file: what projection finds, and what images are generated from."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import RunError, SpecError
from gandem.core.files import check_file, write_file
from gandem.core.specs import Spec, plan_spec
from gandem.core.training import one_hot, stored

MAX_FILE_SIZE = 1 << 30
"""Bytes of a file of vectors."""


@dataclass(frozen=True, slots=True)
class LatentVectors:
    """Vectors of a generator's noise, (N, latent.size), with a class for each, (N,), of a
    conditional model.
    """

    noise: np.ndarray
    labels: np.ndarray | None = None

    def make_inputs(self, spec: Spec, precision: str) -> dict[str, np.ndarray]:
        """Return the inputs of a spec's generator.

        Raises:
            SpecError: they belong to another model.
        """
        if self.noise.ndim != 2 or self.noise.shape[1] != spec.latent.size or not len(self.noise):
            raise SpecError(
                f"The latent vectors have the shape {self.noise.shape}, the model {spec.name!r} "
                f"expects (N, {spec.latent.size})."
            )
        inputs = {"noise": self.noise.astype(stored(precision))}
        if "label" not in plan_spec(spec)["generator"].inputs:
            return inputs
        labels = self.labels
        if labels is None or labels.shape != self.noise.shape[:1]:
            raise SpecError(f"The model {spec.name!r} has classes, but the file lacks 'labels'.")
        if labels.dtype.kind not in "iu" or not ((labels >= 0) & (labels < spec.classes)).all():
            raise SpecError(f"labels: expected classes from 0 to {spec.classes - 1}.")
        return {**inputs, "label": one_hot(labels, spec.classes, precision)}


def read_latents(path: Path | str) -> LatentVectors:
    """Read ``noise`` and ``labels`` of an ``.npz``.

    Raises:
        RunError: it cannot be read, or has no noise.
    """
    arrays = read_arrays(path, "noise")
    return LatentVectors(arrays["noise"], arrays.get("labels"))


def read_arrays(path: Path | str, required: str) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz``; ``required`` must be a finite array of numbers.

    Raises:
        RunError: it cannot be read, or lacks that array.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise RunError(f"There is no file {str(path)!r}.")
        if path.stat().st_size > MAX_FILE_SIZE:
            raise RunError(f"{path}: more than {MAX_FILE_SIZE >> 30} GiB.")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except RunError:
        raise
    except Exception as error:  # damaged files raise many types of errors
        raise RunError(f"{path}: cannot be read as an .npz ({type(error).__name__}).") from error
    value = arrays.get(required)
    if value is None or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
        known = ", ".join(arrays) or "nothing"
        raise RunError(f"{path}: expected finite numbers called {required!r}; it has {known}.")
    return arrays


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays to an ``.npz``, whole or not at all.

    Raises:
        RunError: the path has another suffix, or cannot be written.
    """
    check_file(path, {".npz": "arrays"})
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_file(path, buffer.getvalue())
