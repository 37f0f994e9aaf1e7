"""Layers of Keras that arrange the same features."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.base import Layer, build
from gandem.core import specs as kinds
from gandem.core.specs import Node


@build.register(kinds.Flatten)
@build.register(kinds.Reshape)
class Reshape(Layer):
    """Reshapes the features."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        self.shape = node.output_shape

    def call(self, x: Tensor) -> Tensor:
        return tf.reshape(x, [-1, *self.shape])
