"""LeNet-5 as an extractor: a small classifier with embedded weights that runs on any backend.

For stacked MNIST it classifies the digit in each color channel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from gandem.core.data.features import Classifier, Features, check_shape
from gandem.core.errors import DataError, shown, suggest
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
    digest,
)
from gandem.core.training import (
    Engine,
    FeatureNetwork,
    as_read,
    initial_state,
    load_backend,
    load_loss,
)
from gandem.extractors.classifier import EPOCHS, make_classifier_spec, train_classifier

WEIGHTS = {"digits": "0 to 9, as MNIST has them", "fashion": "the ten articles of Fashion-MNIST"}
"""The data sets with weights."""
STACKED = "stacked"
NETWORK = "lenet5"
HEAD = ("classes/kernel", "classes/bias")
"""The last layer, (84, 10) and (10,), computed in NumPy."""
BATCH_SIZE = 500
"""Images per batch."""


def load(argument: str, backend: str) -> LeNet5 | StackedLeNet5:
    """Return the classifier ``digits``, ``fashion``, or ``stacked``, for stacked MNIST.

    Raises:
        DataError: the weights do not exist.
        BackendError: the backend is not installed.
    """
    kind = argument or "digits"
    if kind == STACKED:
        return StackedLeNet5(_load_weights("digits", backend))
    if kind not in WEIGHTS:
        known = (*WEIGHTS, STACKED)
        raise DataError(
            f"lenet5: there are no weights for {shown(kind)}, only for {' or '.join(known)}."
            f"{suggest(kind, known)}"
        )
    return _load_weights(kind, backend)


def _load_weights(kind: str, backend: str) -> LeNet5:
    path = Path(__file__).with_name(f"lenet5-{kind}.safetensors")
    return LeNet5(kind, path.read_bytes(), backend)


def lenet5_spec() -> Spec:
    """Return the network as a player in the spec of a GAN, as an engine requires.

    LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
    recognition", figure 2, with twice as many filters, ReLU in place of sigmoid, and max in place
    of average pooling. The player ``lenet5`` ends with the 84 features; the other players are
    minimal and never trained.
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
    generator = (Dense(units=28 * 28), Reshape(shape=image.shape))
    discriminator = (Flatten(), Dense(units=1))
    return Spec(
        name=NETWORK,
        image=image,
        latent=Latent(size=1),
        loss=Loss(name="non-saturating"),
        training=Training(),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
            Player(name=NETWORK, input="image", optimizer=optimizer, layers=features),
        ),
    )


class LeNet5:
    """The classifier: 84 features of 28×28×1 images, and probabilities of ten classes.

    Args:
        weights: bytes of a safetensors file with the weights by canonical name, and those of
            :data:`HEAD`.
        backend: the backend to run on; features are equal on all, except for rounding.
    """

    def __init__(self, kind: str, weights: bytes, backend: str) -> None:
        self.name, self.classes = f"{NETWORK}:{kind}", 10
        self.digest = hashlib.sha256(weights).hexdigest()
        self._weights, self._backend, self._spec = weights, backend, lenet5_spec()

    def __call__(self, images: np.ndarray) -> Features:
        """Return features (N, 84) float32 and probabilities (N, 10) of uint8 images.

        Raises:
            DataError: the images have another shape.
        """
        check_shape(self.name, images, self._spec.image.shape)
        engine, kernel, bias = self._loaded
        features = np.empty((len(images), len(kernel)), np.float32)
        for start in range(0, len(images), BATCH_SIZE):
            read = as_read(self._spec, images[start : start + BATCH_SIZE], "float32")
            features[start : start + BATCH_SIZE] = engine.forward(NETWORK, {"image": read})
        logits = features.astype(np.float64) @ kernel + bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Features(features, odds / odds.sum(axis=1, keepdims=True))

    def network(self, channels: int) -> FeatureNetwork:
        """Return the layers before the classes, whose convolutions describe an image.

        Raises:
            DataError: the images are not gray.
        """
        from safetensors.numpy import load as arrays_of

        if channels != 1:
            raise DataError(f"{self.name} expects images of 1 channel, received {channels}.")
        arrays = arrays_of(self._weights)
        convolutions = ("relu", "relu_1")
        return FeatureNetwork(
            self._spec.player(NETWORK).layers,
            {name.removeprefix(f"{NETWORK}/"): arrays[name] for name in arrays if name not in HEAD},
            content=convolutions,
            style=convolutions,
        )

    @property
    def training(self) -> str:
        """The training of :meth:`train`, with a hash of its spec."""
        spec = make_classifier_spec(self._spec, NETWORK, self.classes)
        return f"{NETWORK}, {EPOCHS} epochs ({digest(spec):.8})"

    def train(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Classifier:
        """Train the network on other images, from new initial weights.

        Raises:
            DataError: the images have another shape.
        """
        check_shape(self.name, images, self._spec.image.shape)
        return train_classifier(
            self._spec, NETWORK, images, labels, seed=seed, backend=self._backend, progress=progress
        )

    @cached_property
    def _loaded(self) -> tuple[Engine, np.ndarray, np.ndarray]:
        """The engine, and kernel and bias of the last layer in float64."""
        from safetensors.numpy import load as arrays_of

        arrays = arrays_of(self._weights)
        kernel, bias = (arrays.pop(name).astype(np.float64) for name in HEAD)
        state = initial_state(self._spec, 0, "float32") | arrays
        backend = load_backend(self._backend)
        # on the CPU, because convolutions on a GPU may use reduced precision
        loss = load_loss(self._spec.loss)
        engine = backend.engine(self._spec, loss, state, precision="float32", device="cpu")
        return engine, kernel, bias


class StackedLeNet5:
    """The classifier of digits for each color channel of 28×28×3 images: 3 × 84 features.

    Args:
        classifier: of one channel.
    """

    def __init__(self, classifier: LeNet5) -> None:
        self.name, self.classes = f"{NETWORK}:{STACKED}", classifier.classes
        self.digest = hashlib.sha256(f"channels of {classifier.digest}".encode()).hexdigest()
        self._classifier = classifier

    def __call__(self, images: np.ndarray) -> Features:
        """Return features (N, 252) float32 and probabilities (N, 3, 10) of uint8 images.

        Raises:
            DataError: the images have another shape.
        """
        check_shape(self.name, images, (28, 28, 3))
        channels = np.moveaxis(images, 3, 1).reshape(-1, 28, 28, 1)  # (3 N, 28, 28, 1)
        features, probabilities = self._classifier(channels)
        assert probabilities is not None
        return Features(
            features.reshape(len(images), -1), probabilities.reshape(len(images), 3, -1)
        )
