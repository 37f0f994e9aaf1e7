"""Generate images with an engine, in batches of bounded memory, and save them; encode images."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gandem.core.data.images import draw_grid, draw_scatter, save_image, to_bytes
from gandem.core.errors import RunError, SpecError, shown
from gandem.core.files import check_new_folder, fill_file, temporary_beside
from gandem.core.machine import check_memory, format_size
from gandem.core.runs.generation.styles import to_styles
from gandem.core.specs import Points, Spec, has_encoder, plan_spec
from gandem.core.training import Engine, one_hot
from gandem.core.training.feed.pixels import read_resolutions
from gandem.core.training.feed.truncation import TRUNCATION

__all__ = [
    "CHUNK_SIZE",
    "MAX_COLUMNS",
    "Images",
    "check_count",
    "decode",
    "default_count",
    "encode",
    "generate_batches",
    "generate_parts",
    "report_memory_errors",
    "sample",
    "save_arrays",
    "save_folder",
]

CHUNK_SIZE = 250
"""Images generated at once."""
MAX_COLUMNS = 20
"""The largest number of classes that get a column each in a grid."""


def check_count(spec: Spec, count: int, path: Path | None = None, *, copies: int = 1) -> None:
    """Check that a number of samples can be generated, before a framework is started.

    Args:
        path: the file that they are written to in parts; without it they are kept in memory.
        copies: how many copies are in memory; a grid has three channels, and is encoded.

    Raises:
        SpecError: there is no sample to generate.
        RunError: the samples do not fit into memory, or on the disk.
    """
    if count < 1:
        raise SpecError(f"num_samples: expected at least 1 image, received {count}.")
    number = 4 if isinstance(spec.image, Points) else 1  # bytes
    size = count * math.prod(spec.image.shape) * number
    if path is None:
        check_memory(
            copies * size,
            f"{shown(count)} sample{'s' * (count > 1)}",
            "ask for fewer, or write them to an .npz file",
        )
        return
    with contextlib.suppress(OSError):  # it is reported when the file is written
        free = shutil.disk_usage(path.parent).free
        if size > free:
            raise RunError(
                f"{path}: {shown(count)} samples take {format_size(size)}, the disk has "
                f"{format_size(free)} free; ask for fewer."
            )


def default_count(spec: Spec) -> int:
    """Return the default number of samples: 25 images, or 1000 points."""
    return 1000 if isinstance(spec.image, Points) else 25


@dataclass(frozen=True, slots=True, repr=False)
class Images:
    """Generated images or points.

    Attributes:
        images: uint8 (N, H, W, C), or points, float32 (N, D).
        labels: (N,) of a conditional model.
        categories: (N,) of a latent code with categories.
        window: lowest and highest coordinate that a picture of points shows.
    """

    images: np.ndarray
    labels: np.ndarray | None
    categories: np.ndarray | None = None
    window: tuple[float, float] | None = None

    def __repr__(self) -> str:
        count, *shape = self.images.shape
        return f"<Images: {count} of shape {tuple(shape)}, {self.images.dtype}>"

    def grid(self, real: np.ndarray | None = None) -> np.ndarray:
        """Return a picture (height, width, 3) of all images, one column per class or category.

        Args:
            real: real points (M, D), drawn in a light color behind generated ones.
        """
        if self.images.ndim == 2:
            return draw_scatter(self.images, real, self.window)
        groups = [group for group in (self.labels, self.categories) if group is not None]
        counts = [n for n in (len(np.unique(group)) for group in groups) if 1 < n <= MAX_COLUMNS]
        return draw_grid(self.images, counts[0] if counts else None)

    def save(self, path: Path | str) -> None:
        """Write a grid to a ``.png``, all arrays to an ``.npz``, or each image to a new folder.

        Raises:
            RunError: the path has another suffix, or cannot be written.
        """
        path = Path(path)
        if path.suffix and not path.is_dir() and path.suffix.lower() != ".npz":
            save_image(path, self.grid())
            return
        save = save_arrays if path.suffix.lower() == ".npz" else save_folder
        save(path, [self], len(self.images))


def save_arrays(path: Path, parts: Iterable[Images], count: int) -> None:
    """Write images, labels and categories to an ``.npz``, part by part, in bounded memory.

    Args:
        count: number of images of all parts.

    Raises:
        RunError: the path cannot be written.
    """

    def fill(temporary: Path) -> None:
        from zipfile import ZIP_DEFLATED, ZipFile

        rest: dict[str, list[np.ndarray]] = {"labels": [], "categories": []}
        # level 1: files of generated images are a few percent larger than at the default level,
        # and take a third of the time
        with ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("images.npy", "w", force_zip64=True) as file:
                for i, part in enumerate(parts):
                    if i == 0:
                        _write_header(file, (count, *part.images.shape[1:]), part.images.dtype)
                    file.write(np.ascontiguousarray(part.images).data)
                    for name, values in rest.items():
                        values += [] if (array := getattr(part, name)) is None else [array]
            for name, values in rest.items():
                if values:
                    with archive.open(f"{name}.npy", "w") as file:
                        np.lib.format.write_array(file, np.concatenate(values))

    fill_file(path, fill)


def save_folder(path: Path, parts: Iterable[Images], count: int) -> None:
    """Write each image to a PNG file in a new folder, whole or not at all.

    The files are ``00000.png``, ``00001.png`` and so on. The labels of a conditional model are in
    ``labels.csv``, so that the folder is a labeled data set.

    Args:
        count: number of images of all parts.

    Raises:
        RunError: the folder is not empty or cannot be written, or the images are points.
    """
    from PIL import Image

    check_new_folder(path)
    digits, number, rows = max(5, len(str(count - 1))), 0, ["file,label"]
    with temporary_beside(path) as temporary:
        try:
            temporary.mkdir()
            for part in parts:
                if part.images.ndim != 4:
                    raise RunError(f"{path}: points have no image files; choose an .npz.")
                for row, pixels in enumerate(part.images):
                    name = f"{number:0{digits}}.png"
                    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
                    image.save(temporary / name, compress_level=1)
                    rows += [] if part.labels is None else [f"{name},{part.labels[row]}"]
                    number += 1
            if len(rows) > 1:
                (temporary / "labels.csv").write_text("\n".join(rows) + "\n", "utf-8")
            temporary.replace(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be written ({error.strerror or error}).") from None


def _write_header(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


@contextlib.contextmanager
def report_memory_errors() -> Iterator[None]:
    """Turn what NumPy and the frameworks raise when memory runs out into a :class:`RunError`."""
    try:
        yield
    except Exception as error:
        known = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError", "_ArrayMemoryError")
        messages = ("can't allocate memory", "not enough memory", "CUDA out of memory")
        if type(error).__name__ not in known and not any(m in str(error) for m in messages):
            raise
        raise RunError(
            "There is not enough memory; use a smaller model, batch or number of images."
        ) from error


def generate_batches(
    spec: Spec, engine: Engine, inputs: dict[str, np.ndarray], *, ema: bool = True
) -> Iterator[np.ndarray]:
    """Yield generated batches: images, uint8 (n, H, W, C), or points, float32 (n, D)."""
    for start in range(0, _count_rows(inputs), CHUNK_SIZE):
        part = {name: value[start : start + CHUNK_SIZE] for name, value in inputs.items()}
        yield _generate(spec, engine, part, ema)


def _generate(spec: Spec, engine: Engine, inputs: dict[str, np.ndarray], ema: bool) -> np.ndarray:
    average = spec.training.averages and ema
    with report_memory_errors():
        if TRUNCATION in inputs:
            inputs = to_styles(spec, engine, inputs, ema=ema)
        output = engine.forward("generator", inputs, average=average)
    if isinstance(spec.image, Points):
        return np.asarray(output, np.float32)
    return to_bytes(output, spec.image.low, spec.image.high)


def generate_parts(
    spec: Spec,
    engine: Engine,
    parts: Iterable[dict[str, np.ndarray]],
    *,
    ema: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Images]:
    """Yield the images generated from each part of the inputs."""
    done = 0
    for part in parts:
        yield _as_images(spec, _generate(spec, engine, part, ema), part)
        done += _count_rows(part)
        if progress is not None:
            progress(done)


def sample(
    spec: Spec,
    engine: Engine,
    inputs: dict[str, np.ndarray],
    *,
    ema: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Images:
    """Return the images generated from inputs, noise or styles.

    Args:
        ema: use the moving average of the weights, if there is one.
        progress: called with the number of images generated so far.
    """
    is_points = isinstance(spec.image, Points)
    shape = (_count_rows(inputs), *spec.image.shape)
    images, done = np.empty(shape, np.float32 if is_points else np.uint8), 0
    for batch in generate_batches(spec, engine, inputs, ema=ema):
        images[done : done + len(batch)] = batch
        done += len(batch)
        if progress is not None:
            progress(done)
    return _as_images(spec, images, inputs)


def encode(
    spec: Spec, engine: Engine, images: np.ndarray, precision: str, *, ema: bool = True
) -> np.ndarray:
    """Return the noise (N, latent) that the encoder finds for images.

    Args:
        images: uint8 (N, H, W, C), or points, float32 (N, D).
        ema: use the moving average of the weights, if there is one.

    Raises:
        SpecError: the model has no encoder, or the images have another shape or type.
    """
    if not has_encoder(spec):
        raise SpecError(
            f"The model {spec.name!r} has no encoder, so it cannot encode images; train a model "
            "that has one, like bigan."
        )
    kind = np.dtype(np.float32 if isinstance(spec.image, Points) else np.uint8)
    if images.shape[1:] != spec.image.shape or images.dtype != kind or not len(images):
        expected = f"(N, {', '.join(map(str, spec.image.shape))})"
        raise SpecError(
            f"images: expected {kind} {expected}, received {images.dtype} {images.shape}."
        )
    encodings = []
    for start in range(0, len(images), CHUNK_SIZE):
        inputs = read_resolutions(spec, images[start : start + CHUNK_SIZE], precision)
        with report_memory_errors():
            average = spec.training.averages and ema
            encodings.append(engine.forward("encoder", inputs, average=average))
    return np.concatenate(encodings)


def decode(
    spec: Spec,
    engine: Engine,
    noise: np.ndarray,
    labels: np.ndarray | None,
    precision: str,
    *,
    ema: bool = True,
) -> Images:
    """Return what the generator makes of noise (N, latent), such as that of :func:`encode`.

    Args:
        labels: (N,), for a generator that reads them.

    Raises:
        SpecError: it reads labels, and there are none.
    """
    inputs = {"noise": noise}
    if "label" in plan_spec(spec)["generator"].inputs:
        if labels is None:
            raise SpecError(
                f"labels: the generator of {spec.name!r} reads the classes of images, and there "
                "are none."
            )
        inputs["label"] = one_hot(labels, spec.classes, precision)
    return sample(spec, engine, inputs, ema=ema)


def _count_rows(inputs: dict[str, np.ndarray]) -> int:
    return len(next(iter(inputs.values())))


def _as_images(spec: Spec, images: np.ndarray, inputs: dict[str, np.ndarray]) -> Images:
    category = spec.latent.parts.get("category")
    return Images(
        images,
        inputs["label"].argmax(1) if "label" in inputs else None,
        inputs["noise"][:, category].argmax(1) if category and "noise" in inputs else None,
        (spec.image.low, spec.image.high) if isinstance(spec.image, Points) else None,
    )
