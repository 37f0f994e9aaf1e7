"""Training of a classifier on any backend, by core's training step.

The classifier is the auxiliary network of a GAN whose noise is an image and whose generator
returns it unchanged, so a backend needs nothing beside the step that trains GANs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.data.features import Classifier
from gandem.core.specs import (
    Adam,
    Cosine,
    Dense,
    Latent,
    Player,
    Prelu,
    Reshape,
    Shape,
    Spec,
    Training,
)
from gandem.core.training import Ops, Tensor, as_read, initial_state, load_backend, make_feed

EPOCHS, BATCH_SIZE = 10, 128
RATE = Cosine(from_=2e-3, to=1e-5, end=EPOCHS, unit="epochs")
"""Of Adam."""
CHUNK_SIZE = 500
"""Images that are classified at a time."""


@dataclass(frozen=True)
class ClassLoss:
    r"""The cross-entropy of the classes of the images; the other players learn nothing.

    .. math:: L_C = -\frac1N \sum_i \log C(y_i \mid x_i)

    Attributes:
        auxiliaries: the name of the classifier.
    """

    auxiliaries: tuple[str, ...]
    smoothable: ClassVar[bool] = False

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return 0."""
        return 0.0 * ops.mean(logits)

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return 0."""
        return 0.0 * ops.mean(logits)

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return 0."""
        return 0.0 * ops.mean(logits)

    def auxiliary_shape(self, player: str, inputs: Mapping[str, Shape]) -> Shape:
        """Return (classes,)."""
        return inputs["label"]

    def auxiliary(
        self, ops: Ops, player: str, output: Tensor, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the batch mean, in nats.

        Args:
            output: logits (N, classes); inputs: the true ``label`` (N, classes).
        """
        return ops.cross_entropy(output, inputs["label"])


def make_classifier_spec(
    network: Spec, name: str, classes: int, batch_size: int = BATCH_SIZE
) -> Spec:
    """Return a GAN that trains one of its players as a classifier.

    The generator is the identity: PReLU changes only negative numbers, and pixels are not negative.

    Args:
        network: a spec for images from 0 to 1, whose player ``name`` ends in features.
    """
    shape, player = network.image.shape, network.player(name)
    identity = Player(
        name="generator",
        input="noise",
        optimizer=Adam(learning_rate=RATE),
        layers=(Reshape(shape=shape), Prelu()),
    )
    classifier = replace(
        player,
        optimizer=Adam(learning_rate=RATE),
        layers=(*player.layers, Dense(units=classes)),
    )
    return replace(
        network,
        classes=classes,
        latent=Latent(size=int(np.prod(shape))),
        training=Training(batch_size=batch_size, epochs=EPOCHS, noise="reused"),
        players=(identity, network.player("discriminator"), classifier),
    )


def train_classifier(
    network: Spec,
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int,
    backend: str,
    progress: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Train a network to classify images.

    Args:
        network, name: see :func:`make_classifier_spec`.
        images: uint8 (N, H, W, C); labels: integers (N,) from 0.
        seed: of the initial weights and the order of the images.
        progress: called with the number of steps done, and the total.
    """
    batch_size = min(BATCH_SIZE, len(images))
    spec = make_classifier_spec(network, name, int(labels.max()) + 1, batch_size)
    loss = ClassLoss((name,))
    feed = make_feed(spec, loss, Dataset("images", images, labels), seed, "float32")
    state = initial_state(spec, seed, "float32")
    engine = load_backend(backend).engine(spec, loss, state, precision="float32", device="cpu")
    total = feed.count_steps()
    for step in range(total):
        inputs = feed(step)
        real = inputs["real/0"]  # (N, H, W, C)
        engine.step({**inputs, "noise/0": real.reshape(len(real), -1)})
        if progress is not None:
            progress(step + 1, total)

    def classify(images: np.ndarray) -> np.ndarray:
        classes = np.empty(len(images), np.int64)
        for start in range(0, len(images), CHUNK_SIZE):
            chunk = as_read(spec, images[start : start + CHUNK_SIZE], "float32")
            logits = engine.forward(name, {"image": chunk})
            classes[start : start + CHUNK_SIZE] = logits.argmax(axis=1)
        return classes

    return classify
