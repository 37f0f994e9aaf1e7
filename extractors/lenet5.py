"""LeNet-5 as an extractor: a small classifier whose weights come with gandem, and which runs on
whichever backend is there.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from gandem.core.errors import DataError, shown, suggest
from gandem.core.plugins.registry import load_backend
from gandem.core.specs import (
    Adam,
    Conv2D,
    Dense,
    Flatten,
    Image,
    Latent,
    Loss,
    MaxPool2D,
    Player,
    Relu,
    Reshape,
    Spec,
    Training,
)
from gandem.core.training import Engine, as_read, initial_state
from gandem.metrics.evaluation import Features, check_shape

__all__ = ["HEAD", "WEIGHTS", "LeNet5", "lenet5_spec", "load"]

WEIGHTS = {"digits": "0 to 9, as MNIST has them", "fashion": "the ten articles of Fashion-MNIST"}
"""What there are weights for."""
NETWORK = "lenet5"
HEAD = ("classes/kernel", "classes/bias")
"""The last layer, (84, 10) and (10,): classes from features, which NumPy computes."""
CHUNK = 500
"""Images that the network sees at once."""


def load(argument: str, backend: str) -> LeNet5:
    """Return the classifier of digits, or with ``fashion`` that of articles of clothing.

    Raises:
        DataError: there are no such weights.
        BackendError: the backend is not there.
    """
    kind = argument or "digits"
    if kind not in WEIGHTS:
        known = " or ".join(WEIGHTS)
        raise DataError(
            f"lenet5: there are no weights for {shown(kind)}, only for {known}."
            f"{suggest(kind, WEIGHTS)}"
        )
    path = Path(__file__).with_name(f"lenet5-{kind}.safetensors")
    return LeNet5(kind, path.read_bytes(), backend)


def lenet5_spec() -> Spec:
    """Return the network, in the spec of a GAN, for an engine is built from one.

    LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
    recognition", figure 2, with twice as many filters, and rectifiers and maxima in place of
    sigmoids and means.  The player ``lenet5`` ends in the 84 features; the GAN around it is the
    smallest there is, and never plays.
    """
    optimizer = Adam(learning_rate=1e-3)
    image = Image(height=28, width=28, channels=1, low=0.0, high=1.0)
    features = (
        Conv2D(filters=12, kernel=5),  # (N, 28, 28, 12)
        Relu(),
        MaxPool2D(size=2, stride=2),  # (N, 14, 14, 12)
        Conv2D(filters=32, kernel=5, padding="valid"),  # (N, 10, 10, 32)
        Relu(),
        MaxPool2D(size=2, stride=2),  # (N, 5, 5, 32)
        Flatten(),
        Dense(units=120),
        Relu(),
        Dense(units=84),
        Relu(),
    )
    nobody = (Dense(units=28 * 28), Reshape(shape=image.shape))
    none = (Flatten(), Dense(units=1))
    return Spec(
        name=NETWORK,
        image=image,
        latent=Latent(size=1),
        loss=Loss(name="non-saturating"),
        training=Training(),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=nobody),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=none),
            Player(name=NETWORK, input="image", optimizer=optimizer, layers=features),
        ),
    )


class LeNet5:
    """The classifier: 84 features of 28×28×1 images, and probabilities of ten classes.

    Args:
        weights: a safetensors file: the network's weights by canonical name, and those of
            :data:`HEAD`.
        backend: what it runs on; its features are the same on all, but for rounding.
    """

    def __init__(self, kind: str, weights: bytes, backend: str) -> None:
        self.name, self.classes = f"{NETWORK}:{kind}", 10
        self.digest = hashlib.sha256(weights).hexdigest()
        self._weights, self._backend, self._spec = weights, backend, lenet5_spec()

    def __call__(self, images: np.ndarray) -> Features:
        """Return features (N, 84) float32 and probabilities (N, 10) of uint8 images.

        Raises:
            DataError: images of another shape.
        """
        check_shape(self.name, images, self._spec.image.shape)
        engine, kernel, bias = self._alive
        features = np.empty((len(images), len(kernel)), np.float32)
        for start in range(0, len(images), CHUNK):
            read = as_read(self._spec, images[start : start + CHUNK], "float32")
            features[start : start + CHUNK] = engine.forward(NETWORK, {"image": read})
        logits = features.astype(np.float64) @ kernel + bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Features(features, odds / odds.sum(axis=1, keepdims=True))

    @cached_property
    def _alive(self) -> tuple[Engine, np.ndarray, np.ndarray]:
        """The network, and the kernel and bias of the classes in float64."""
        from safetensors.numpy import load as arrays_of

        arrays = arrays_of(self._weights)
        kernel, bias = (arrays.pop(name).astype(np.float64) for name in HEAD)
        state = initial_state(self._spec, 0, "float32") | arrays
        subject = load_backend(self._backend)
        # on the CPU even where there is a GPU, whose convolutions may round to ten bits
        engine = subject.engine(self._spec, state, precision="float32", device="cpu")
        return engine, kernel, bias
