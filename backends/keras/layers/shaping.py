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


@build.register(kinds.DepthToSpace)
class DepthToSpace(Layer):
    """Moves channels to pixels, in PyTorch's order."""

    def call(self, x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        factor = self.spec.factor
        x = tf.reshape(x, [-1, height, width, channels // factor**2, factor, factor])
        x = tf.transpose(x, [0, 1, 4, 2, 5, 3])
        return tf.reshape(x, [-1, height * factor, width * factor, channels // factor**2])


@build.register(kinds.SpaceToDepth)
class SpaceToDepth(Layer):
    """Moves pixels to channels, in PyTorch's order."""

    def call(self, x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        factor = self.spec.factor
        x = tf.reshape(x, [-1, height // factor, factor, width // factor, factor, channels])
        x = tf.transpose(x, [0, 1, 3, 5, 2, 4])
        return tf.reshape(x, [-1, height // factor, width // factor, channels * factor**2])


@build.register(kinds.Slice)
class Slice(Layer):
    """Keeps some of the channels."""

    def call(self, x: Tensor) -> Tensor:
        return x[..., self.spec.start : self.spec.stop]
