"""Networks whose layers compute features of images, as a further player in the spec of a GAN.

An engine then runs and differentiates them like every other network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from gandem.core.errors import SpecError, suggest
from gandem.core.specs import (
    SGD,
    Dense,
    GlobalMaxPool2D,
    Image,
    Latent,
    Layer,
    Loss,
    Player,
    Reshape,
    Spec,
    Training,
    Upsample2D,
    layer_names,
)
from gandem.core.training.ops import Arrays
from gandem.core.training.state import state_shapes

__all__ = [
    "FEATURES",
    "DifferentiableExtractor",
    "FeatureNetwork",
    "add_features",
    "complete_state",
    "hollow_spec",
]

FEATURES = "features"
"""The player that a feature network becomes."""
IDLE = SGD(learning_rate=1.0)
"""The optimizer of networks that are not trained."""


@dataclass(frozen=True, slots=True)
class FeatureNetwork:
    """A network that reads images from 0 to 1.

    Attributes:
        layers: from the image on.
        arrays: its parameters by canonical name without the player's, ``"conv1_1/kernel"``.
        content: the layers that describe the content of an image, by default.
        style: those that describe its style.
    """

    layers: tuple[Layer, ...]
    arrays: Arrays
    content: tuple[str, ...]
    style: tuple[str, ...]

    def cut(self, names: Collection[str]) -> tuple[Layer, ...]:
        """Return the layers up to the last of the named ones.

        Raises:
            SpecError: there is no layer of a name; the message has the nearest one.
        """
        known = layer_names(FEATURES, self.layers)
        for name in names:
            if name not in known:
                raise SpecError(f"The features have no layer {name!r}.{suggest(name, known)}")
        return self.layers[: 1 + max(map(known.index, names))]


@runtime_checkable
class DifferentiableExtractor(Protocol):
    """An extractor that can give its network (optional)."""

    name: str
    digest: str

    def network(self, channels: int) -> FeatureNetwork:
        """Return the network for images of 1 or 3 channels.

        Raises:
            DataError: it does not support such images, or its weights are not available.
        """


def hollow_spec(image: Image) -> Spec:
    """Return the spec of a GAN with the fewest parameters, to which networks can be added."""
    sides = image.height, image.width
    pixel = (1, 1, image.channels)
    generator = (Dense(units=image.channels), Reshape(shape=pixel), Upsample2D(factor=sides))
    return Spec(
        name=FEATURES,
        image=image,
        latent=Latent(size=1),
        loss=Loss(),
        training=Training(),
        players=(
            Player(name="generator", input="noise", optimizer=IDLE, layers=generator),
            Player(
                name="discriminator",
                input="image",
                optimizer=IDLE,
                layers=(GlobalMaxPool2D(), Dense(units=1)),
            ),
        ),
    )


def add_features(spec: Spec, layers: Sequence[Layer], outputs: Sequence[str]) -> Spec:
    """Return a spec with the player ``features``, whose ``outputs`` a function can observe."""
    player = Player(
        name=FEATURES,
        input="image",
        optimizer=IDLE,
        layers=tuple(layers),
        outputs=tuple(dict.fromkeys(outputs)),
    )
    return replace(spec, players=(*spec.players, player))


def complete_state(
    spec: Spec, arrays: Mapping[str, np.ndarray], precision: str
) -> dict[str, np.ndarray]:
    """Return a state of a spec with these arrays, and zeros elsewhere."""

    def fill() -> Iterator[tuple[str, np.ndarray]]:
        for name, shape in state_shapes(spec).items():
            dtype = np.dtype(np.int64 if name.endswith("/updates") else precision)
            value = arrays.get(name)
            yield name, np.zeros(shape, dtype) if value is None else value.astype(dtype)

    return dict(fill())
