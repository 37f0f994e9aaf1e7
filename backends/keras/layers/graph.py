"""Layers of Keras that contain layers or read other inputs."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.activations import Dropout
from gandem.backends.keras.layers.affine import Affine
from gandem.backends.keras.layers.base import Context, Layer, build
from gandem.backends.keras.layers.norms import BatchNorm
from gandem.core import specs as kinds
from gandem.core.specs import Node


def chain(nodes: tuple[Node, ...], dtype: str) -> list[Layer]:
    """Return the layers of a list of nodes."""
    return [build(node.layer, node, dtype) for node in nodes]


def run(layers: list[Layer], x: Tensor, context: Context) -> Tensor:
    """Run layers one after another.

    It uses ``call``, because what Keras does around it takes a third of the time to the first step;
    the network has cast its inputs.
    """
    for layer in layers:
        x = layer.call(x, context) if isinstance(layer, CONTEXTUAL) else layer.call(x)
    return x


@build.register(kinds.Concatenate)
class Concatenate(Layer):
    """Concatenates another input along the channels."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        self.layers = chain(node.branches["layers"], dtype)

    def call(self, x: Tensor, context: Context) -> Tensor:
        other = run(self.layers, context.inputs[self.spec.input], context)
        if self.spec.planes:
            height, width = x.shape[1:3]
            other = tf.tile(other[:, None, None, :], [1, height, width, 1])  # (N, H, W, C)
        return tf.concat([x, other], axis=-1)


@build.register(kinds.Residual)
class Residual(Layer):
    """layers(x) + shortcut(x)."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        self.layers = chain(node.branches["layers"], dtype)
        self.shortcut = chain(node.branches["shortcut"], dtype)

    def call(self, x: Tensor, context: Context) -> Tensor:
        return run(self.layers, x, context) + run(self.shortcut, x, context)


CONTEXTUAL = (Affine, BatchNorm, Dropout, Concatenate, Residual)
