"""Layers of Keras that contain layers or read other inputs."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.base import Context, ContextLayer, Layer, build
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
        x = layer.call(x, context) if isinstance(layer, ContextLayer) else layer.call(x)
        if layer.node.is_read:
            context.inputs[layer.node.reference] = x
    return x


class Branched(ContextLayer):
    """A layer with a list of layers for each branch.

    The lists are attributes of their own, where Keras finds the weights to save.
    """

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        for name, nodes in node.branches.items():
            setattr(self, f"{name}_branch", chain(nodes, dtype))

    def branch(self, name: str) -> list[Layer]:
        """Return the layers of a branch."""
        return getattr(self, f"{name}_branch")

    def read(self, name: str, context: Context) -> Tensor:
        """Return the result of a branch on the input that the layer reads."""
        return run(self.branch(name), context.inputs[self.node.reads], context)


@build.register(kinds.Concatenate)
class Concatenate(Branched):
    """Concatenates another input along the channels."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        other = self.read("layers", context)
        if self.spec.planes:
            height, width = x.shape[1:3]
            other = tf.tile(other[:, None, None, :], [1, height, width, 1])  # (N, H, W, C)
        return tf.concat([x, other], axis=-1)


@build.register(kinds.Add)
class Add(Branched):
    """x + layers(input)."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return x + self.read("layers", context)


@build.register(kinds.Dot)
class Dot(Branched):
    """The inner product of x and layers(input)."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return tf.reduce_sum(x * self.read("layers", context), axis=1, keepdims=True)


@build.register(kinds.Read)
class Read(Branched):
    """Another input instead of x."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return context.inputs[self.node.reads]


@build.register(kinds.Residual)
class Residual(Branched):
    """layers(x) + shortcut(x)."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return run(self.branch("layers"), x, context) + run(self.branch("shortcut"), x, context)


@build.register(kinds.Head)
class Head(Branched):
    """layers(x)."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return run(self.branch("layers"), x, context)
