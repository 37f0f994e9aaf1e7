"""Latent vectors in a file: what projection finds, and what images are generated from."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import RunError, SpecError, shown
from gandem.core.files import check_file, fill_file
from gandem.core.runs.generation.styles import find_styles, style_inputs
from gandem.core.specs import Spec, plan_spec
from gandem.core.training import one_hot, stored

NOISE, STYLES = "noise", "styles"
"""The names of the vectors in a file."""
LABELS = "labels"
MAX_FILE_SIZE = 1 << 30
"""Bytes of the arrays that are read; a small file can unpack to more than the memory."""
MAX_VALUE = 1e6
"""The largest absolute value of a vector; float32 ends at 3e38."""


@dataclass(frozen=True, slots=True)
class LatentVectors:
    """Vectors (N, D) of a generator's noise, or with ``are_styles`` styles w of one with a
    ``styles`` layer, and a class for each, (N,), of a conditional model.
    """

    vectors: np.ndarray
    labels: np.ndarray | None = None
    are_styles: bool = False

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of a file: ``noise`` or ``styles``, and ``labels``."""
        labels = {} if self.labels is None else {LABELS: self.labels}
        return {STYLES if self.are_styles else NOISE: self.vectors, **labels}

    def make_inputs(self, spec: Spec, precision: str) -> dict[str, np.ndarray]:
        """Return the inputs of a spec's generator.

        Raises:
            SpecError: they belong to another model.
        """
        size = find_styles(spec).statistics[0].shape[0] if self.are_styles else spec.latent.size
        if self.vectors.ndim != 2 or self.vectors.shape[1] != size or not len(self.vectors):
            raise SpecError(
                f"The latent vectors have the shape {self.vectors.shape}, the model {spec.name!r} "
                f"expects (N, {size})."
            )
        vectors, label = self.vectors.astype(stored(precision)), None
        if "label" in plan_spec(spec)["generator"].inputs:
            label = one_hot(self._check_labels(spec), spec.classes, precision)
        if self.are_styles:
            copies = find_styles(spec).output_shape[0] // size
            return style_inputs(spec, np.repeat(vectors[:, None], copies, axis=1), label)
        return {"noise": vectors} | ({} if label is None else {"label": label})

    def _check_labels(self, spec: Spec) -> np.ndarray:
        labels = self.labels
        if labels is None or labels.shape != self.vectors.shape[:1]:
            raise SpecError(f"The model {spec.name!r} has classes, but the file lacks 'labels'.")
        if labels.dtype.kind not in "iu" or not ((labels >= 0) & (labels < spec.classes)).all():
            raise SpecError(f"labels: expected classes from 0 to {spec.classes - 1}.")
        return labels


def read_latents(path: Path | str) -> LatentVectors:
    """Read ``noise`` or ``styles``, and ``labels``, of an ``.npz``.

    Raises:
        RunError: it cannot be read, or has neither.
    """
    arrays = read_arrays(path, (NOISE, STYLES), LABELS)
    are_styles = NOISE not in arrays
    vectors = arrays[STYLES if are_styles else NOISE]
    return LatentVectors(vectors, arrays.get(LABELS), are_styles)


def read_arrays(path: Path | str, names: tuple[str, ...], *others: str) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz``.

    Args:
        names: one of them must be a matrix (N, D) of numbers up to :data:`MAX_VALUE`.
        others: arrays that are read too where they exist.

    Raises:
        RunError: it cannot be read, or lacks such a matrix.
    """
    path = Path(path)
    try:
        if not path.is_file():
            problem = "it is not a file" if path.exists() else "there is no such file"
            raise RunError(f"{path}: {problem}.")
        with zipfile.ZipFile(path) as archive:
            known = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = [name for name in (*names, *others) if name in known]
            if sum(known[name].file_size for name in chosen) > MAX_FILE_SIZE:
                raise RunError(f"{path}: its arrays take more than {MAX_FILE_SIZE >> 30} GiB.")
            arrays = {}
            for name in chosen:
                with archive.open(known[name]) as file:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    except RunError:
        raise
    except Exception as error:  # damaged files raise many types of errors
        raise RunError(f"{path}: it is not an .npz file of arrays, or is damaged.") from error
    name = next((name for name in names if name in arrays), "")
    if not name:
        expected, received = " or ".join(map(repr, names)), shown(", ".join(known) or "nothing")
        raise RunError(f"{path}: expected an array {expected}, received {received}.")
    value = arrays[name]
    if value.ndim != 2 or value.dtype.kind not in "fiu" or not (abs(value) <= MAX_VALUE).all():
        raise RunError(
            f"{path}: {name!r}: expected (N, D) numbers up to ±{MAX_VALUE:g}, received "
            f"{value.dtype} {value.shape}{' with others' * (value.dtype.kind in 'fiu')}."
        )
    if not value.size:
        raise RunError(f"{path}: it has no vectors; its array has the shape {value.shape}.")
    return arrays


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays to an ``.npz``, whole or not at all.

    Raises:
        RunError: the path has another suffix, or cannot be written.
    """
    check_file(path, {".npz": "arrays"})

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    fill_file(path, fill)
