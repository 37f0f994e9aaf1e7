"""The embedded digits: 1,000 training images of MNIST per class, 28×28×1."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError


def load(argument: str, data_dir: Path | None) -> Dataset:
    """Return the embedded digits; ``data_dir`` is ignored.

    Raises:
        DataError: there is an argument.
    """
    if argument:
        raise DataError(f"digits: it takes no argument, received {argument!r}. Use --data digits.")
    packed = resources.files(__package__).joinpath("digits.npz")
    with packed.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Dataset(
        name="digits",
        images=images[..., None],  # (10000, 28, 28, 1)
        labels=labels.astype(np.int64),
        class_names=tuple("0123456789"),
        source="MNIST, Y. LeCun, C. Cortes, C. Burges; the first 1,000 training images a class",
        license="CC BY-SA 3.0",
    )
