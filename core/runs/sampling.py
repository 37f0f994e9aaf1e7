"""Images out of an engine, a few hundred at a time, and where they go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gandem.core.data.images import grid, save_image, scatter, to_bytes
from gandem.core.errors import RunError
from gandem.core.files import fill_file
from gandem.core.specs import Points, Spec
from gandem.core.training import Engine

__all__ = [
    "CHUNK",
    "COLUMNS",
    "Images",
    "enough_memory",
    "sample",
    "samples_of",
    "save_arrays",
    "stream",
    "usual_count",
]

CHUNK = 250
"""Images made at once."""
COLUMNS = 20
"""The most classes that get a column each in a grid."""


def usual_count(spec: Spec) -> int:
    """Return how many images, or points, one would like to see of a model."""
    return 1000 if isinstance(spec.image, Points) else 25


@dataclass(frozen=True, slots=True)
class Images:
    """Generated images: uint8 (N, H, W, C), their labels where the model is conditional, and their
    categories where its latent code has some; or points, float32 (N, D), which are no images.

    ``window`` says what a picture of points shows, from and to.
    """

    images: np.ndarray
    labels: np.ndarray | None
    categories: np.ndarray | None = None
    window: tuple[float, float] | None = None

    def grid(self, real: np.ndarray | None = None) -> np.ndarray:
        """Return one picture (height, width, 3) of all; classes that take turns have a column each,
        or else categories.  Points are drawn as points, and ``real`` ones (M, D) pale behind them.
        """
        if self.images.ndim == 2:
            return scatter(self.images, real, self.window)
        turns = [len(np.unique(of)) for of in (self.labels, self.categories) if of is not None]
        fits = [columns for columns in turns if 1 < columns <= COLUMNS]
        return grid(self.images, fits[0] if fits else None)

    def save(self, path: Path | str) -> None:
        """Write the images to a ``.png``, as a grid, or with labels and categories to an ``.npz``.
        Points are ``images`` there too, as a data set of points wants them.

        Raises:
            RunError: the name ends otherwise, or the place cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".npz":
            save_image(path, self.grid())
            return
        save_arrays(path, [self], len(self.images))


def save_arrays(path: Path, parts: Iterable[Images], count: int) -> None:
    """Write so many images, with labels and categories, to an ``.npz``, part by part, so that they
    need not all be in memory.

    Raises:
        RunError: the place cannot be written.
    """

    def fill(temporary: Path) -> None:
        from zipfile import ZIP_DEFLATED, ZipFile

        rest: dict[str, list[np.ndarray]] = {"labels": [], "categories": []}
        # level 1: pixels of a GAN come to within some percent of the usual size, in a third of the
        # time
        with ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("images.npy", "w", force_zip64=True) as file:
                for i, part in enumerate(parts):
                    if i == 0:
                        _write_header(file, (count, *part.images.shape[1:]), part.images.dtype)
                    file.write(np.ascontiguousarray(part.images).data)
                    for name, values in rest.items():
                        values += [] if (found := getattr(part, name)) is None else [found]
            for name, values in rest.items():
                if values:
                    with archive.open(f"{name}.npy", "w") as file:
                        np.lib.format.write_array(file, np.concatenate(values))

    fill_file(path, fill)


def _write_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Make one :class:`RunError` of what NumPy and the frameworks raise when memory runs out."""
    try:
        yield
    except Exception as error:
        known = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError", "_ArrayMemoryError")
        words = ("can't allocate memory", "not enough memory", "CUDA out of memory")
        if type(error).__name__ not in known and not any(w in str(error) for w in words):
            raise
        raise RunError(
            "There is not enough memory for this; use a smaller model, batch or number of images."
        ) from error


def samples_of(
    spec: Spec, engine: Engine, inputs: dict[str, np.ndarray], *, raw: bool = False
) -> Iterator[np.ndarray]:
    """Yield what a generator makes of given inputs, a few hundred at a time: images, uint8
    (n, H, W, C), or points, float32 (n, D).
    """
    for start in range(0, len(inputs["noise"]), CHUNK):
        part = {name: value[start : start + CHUNK] for name, value in inputs.items()}
        yield _made(spec, engine, part, raw)


def _made(spec: Spec, engine: Engine, inputs: dict[str, np.ndarray], raw: bool) -> np.ndarray:
    average = bool(spec.training.ema_decay) and not raw
    with enough_memory():
        made = engine.forward("generator", inputs, average=average)
    points = isinstance(spec.image, Points)
    low, high = spec.image.low, spec.image.high
    return np.asarray(made, np.float32) if points else to_bytes(made, low, high)


def stream(
    spec: Spec,
    engine: Engine,
    parts: Iterable[dict[str, np.ndarray]],
    *,
    raw: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Images]:
    """Yield images made from inputs that come a part at a time."""
    done = 0
    for part in parts:
        yield _as_images(spec, _made(spec, engine, part, raw), part)
        done += len(part["noise"])
        if progress is not None:
            progress(done)


def sample(
    spec: Spec,
    engine: Engine,
    inputs: dict[str, np.ndarray],
    *,
    raw: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Images:
    """Make images from given inputs, a few hundred at a time."""
    points = isinstance(spec.image, Points)
    shape = (len(inputs["noise"]), *spec.image.shape)
    images, done = np.empty(shape, np.float32 if points else np.uint8), 0
    for made in samples_of(spec, engine, inputs, raw=raw):
        images[done : done + len(made)] = made
        done += len(made)
        if progress is not None:
            progress(done)
    return _as_images(spec, images, inputs)


def _as_images(spec: Spec, images: np.ndarray, inputs: dict[str, np.ndarray]) -> Images:
    category = spec.latent.parts.get("category")
    return Images(
        images,
        inputs["label"].argmax(1) if "label" in inputs else None,
        inputs["noise"][:, category].argmax(1) if category else None,
        (spec.image.low, spec.image.high) if isinstance(spec.image, Points) else None,
    )
