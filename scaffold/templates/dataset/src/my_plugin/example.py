"""A data set of the PNG files in a folder, with a subfolder per class."""

from pathlib import Path

import numpy as np
from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError
from PIL import Image, UnidentifiedImageError

NAME = "my-plugin/example"


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the images in a folder, all of one size.

    Args:
        argument: what follows the colon in ``--data NAME:FOLDER``.
        data_dir: the folder of ``--data-dir``, which ``argument`` is relative to.

    Raises:
        DataError: the images cannot be used; the message says why, on one line.
    """
    if not argument:
        raise DataError(f"{NAME}: expected a folder; use --data {NAME}:FOLDER.")
    folder = (data_dir or Path()) / Path(argument).expanduser()
    paths = sorted(folder.glob("*/*.png"))
    if not paths:
        raise DataError(f"{NAME}: no PNG file in a subfolder of {str(folder)!r}.")
    classes = sorted({path.parent.name for path in paths})
    return Dataset(
        name=f"{NAME}:{argument}",
        images=np.stack(_same_size({path: _pixels(path) for path in paths})),  # (N, H, W, C)
        labels=np.array([classes.index(path.parent.name) for path in paths]),  # (N,)
        class_names=tuple(classes),
        source=f"the folder {folder.name!r}",
    )


def _pixels(path: Path) -> np.ndarray:
    """Return an image as uint8 (H, W, 1) if it is gray, otherwise (H, W, 3)."""
    try:
        with Image.open(path) as image:
            gray = image.mode in ("1", "L")
            pixels = np.asarray(image.convert("L" if gray else "RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{NAME}: {str(path)!r} cannot be read ({error}).") from error
    return pixels[..., None] if gray else pixels


def _same_size(images: dict[Path, np.ndarray]) -> list[np.ndarray]:
    first, *others = images
    for path in others:
        if images[path].shape != images[first].shape:
            raise DataError(
                f"{NAME}: expected images of one size, received {images[first].shape} in "
                f"{first.name} and {images[path].shape} in {path.name}."
            )
    return list(images.values())
