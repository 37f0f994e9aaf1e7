"""What all layers of Keras have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import tensorflow as tf
from tensorflow import Tensor

from gandem.core import specs as kinds
from gandem.core.specs import Node


@dataclass
class Context:
    """The inputs of the network and the outputs of layers that others read, by name; the dropout
    masks and pixel noise by the path of their layer; modes.
    """

    inputs: dict[str, Tensor]
    draws: Mapping[str, Tensor] = field(default_factory=dict)
    training: bool = False
    mixed: bool = False

    def narrow(self, *factors: Tensor) -> tuple[Tensor, ...]:
        """Round the factors of a product to bfloat16 in mixed precision."""
        return tuple(tf.cast(x, tf.bfloat16) for x in factors) if self.mixed else factors

    def widen(self, product: Tensor) -> Tensor:
        """Cast a product of such factors back to float32."""
        return tf.cast(product, tf.float32) if self.mixed else product


class Layer(keras.layers.Layer):
    """A layer of a node; it creates its weights at once, since the plan has every shape."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(name=node.path.rsplit("/", 1)[1], dtype=dtype)
        self.spec: Any = layer
        self.node = node
        self.arrays = {
            p.name: self.add_weight(
                name=p.name.rsplit("/", 1)[1], shape=p.shape, initializer="zeros", trainable=trained
            )
            for group, trained in ((node.parameters, True), (node.statistics, False))
            for p in group
        }
        self.short = {name.rsplit("/", 1)[1]: weight for name, weight in self.arrays.items()}
        self.built = True

    def weight(self, name: str) -> Tensor:
        """Return a parameter or running statistic by its short name."""
        return self.short[name].value

    def number(self, value: float) -> Tensor:
        """Return a constant in the layer's precision; Keras casts through float32."""
        return tf.constant(value, self.compute_dtype)


class ContextLayer(Layer):
    """A layer whose ``call`` also takes the context."""


@singledispatch
def build(layer: kinds.Layer, node: Node, dtype: str) -> Layer:
    """Return the layer of a node."""
    raise TypeError(f"{node.path}: the Keras backend does not know the layer {layer.kind!r}.")
