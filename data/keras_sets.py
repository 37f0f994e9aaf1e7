"""Image data sets of Keras by name: ``keras:fashion_mnist``, ``keras:cifar100:test``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.data.dataset import Dataset, ResizableDataset
from gandem.core.errors import DataError, suggest
from gandem.core.plugins.isolation import format_error
from gandem.data.cifar10 import CLASSES
from gandem.data.fashion_mnist import FASHION_MNIST
from gandem.data.frameworks import FrameworkSet, check_installed, check_name, load_set
from gandem.data.mnist import MNIST

if TYPE_CHECKING:
    from gandem.data.framework_process import OpenedSet, Request

UNSUITABLE = {
    "holds texts": ("imdb", "reuters"),
    "holds tables of numbers": ("boston_housing", "california_housing"),
}
PARTS = {"train": (0,), "test": (1,), "all": (0, 1)}
NAMES = {
    "cifar10": CLASSES,
    "fashion_mnist": FASHION_MNIST.class_names,
    "mnist": MNIST.class_names,
}
"""Class names, which the loaders of Keras do not provide."""
FOLDERS = {"fashion_mnist": "fashion-mnist"}
"""Sets with a folder of their own."""


def load(argument: str, data_dir: Path | None) -> Dataset | ResizableDataset:
    """Return the training part of the set called ``argument``, or its ``:test`` or ``:all`` part.

    Args:
        data_dir: a folder in place of ``~/.keras`` or ``~/.keras/datasets``; by default that of
            Keras, ``KERAS_HOME``.

    Raises:
        DataError: Keras is not installed, lacks the set, or cannot read it.
    """
    check_installed("keras")
    name, _, part = argument.partition(":")
    if not name:
        raise DataError(
            "keras: expected the name of a data set, received none. "
            "Use --data keras:NAME, like keras:fashion_mnist."
        )
    part = part or "train"
    if part not in PARTS:
        raise DataError(f"keras:{argument}: it has no part {part!r:.60}.{suggest(part, PARTS)}")
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"keras:{argument}: there is no folder {str(data_dir)!r}.")
    home = data_dir or Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    is_datasets_folder = data_dir is not None and not (data_dir / "datasets").is_dir()
    dataset = FrameworkSet(
        name=f"keras:{argument}",
        framework="keras",
        parts=(name.lower().replace("-", "_"), part),
        root=(home if is_datasets_folder else home / "datasets").absolute(),
        given=data_dir is not None,
    )
    return load_set(dataset)


# --- in the child process ------------------------------------------------------------------------


def open_set(request: Request) -> OpenedSet:
    """Return the data set of a request; download it if needed."""
    name, part = request.parts
    _set_home(request)
    import keras

    keras.config.set_image_data_format("channels_last")
    module = _find_module(request, keras.datasets, name)
    try:
        halves = module.load_data()
    except DataError:
        raise
    except Exception as error:  # no network, or a damaged file
        folder = request.root / FOLDERS.get(name, "")
        reason = format_error(error).rstrip(".… ")
        raise DataError(
            f"{request.name}: Keras cannot read or download it: {reason}. "
            f"Its files belong in {str(folder)!r}; --data-dir names another folder."
        ) from error
    parts = [halves[which] for which in PARTS[part]]
    images = np.concatenate([half[0] for half in parts])
    labels = np.concatenate([np.asarray(half[1]).reshape(len(half[1]), -1) for half in parts])
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise DataError(f"{request.name}: expected images, received {images.dtype} {images.shape}.")
    from gandem.data.framework_process import OpenedSet

    return OpenedSet(
        count=len(images),
        at=lambda index: (images[index], labels[index]),
        source=f"{name} of Keras",
        class_names=NAMES.get(name, ()),
    )


def _set_home(request: Request) -> None:
    """Give Keras a temporary home whose ``datasets`` links to the requested folder.

    Otherwise Keras would read and write settings beside it, or use a shared folder if it cannot
    write there.
    """
    home = request.folder / "home"
    try:
        if not request.given:
            request.root.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=True)
        link = home / "datasets"
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(request.root, target_is_directory=True)
    except OSError as error:
        if request.root.name != "datasets" or not request.root.is_dir():
            raise DataError(
                f"{request.name}: {str(request.root)!r} cannot be used ({error.strerror}). Name a "
                "folder called 'datasets' with --data-dir."
            ) from error
        home = request.root.parent
    os.environ["KERAS_HOME"] = str(home)


def _find_module(request: Request, datasets: Any, name: str) -> Any:
    modules = [key for key in dir(datasets) if hasattr(getattr(datasets, key), "load_data")]
    check_name(request.name, name, {key: key for key in modules}, UNSUITABLE)
    return getattr(datasets, name)
