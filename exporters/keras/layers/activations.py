"""Activations as stock Keras layers."""

from __future__ import annotations

import keras
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.keras.layers.base import Graph, build

ACTIVATIONS = {
    kinds.Relu: "relu",
    kinds.Silu: "silu",
    kinds.Selu: "selu",
    kinds.Softplus: "softplus",
    kinds.Tanh: "tanh",
    kinds.Sigmoid: "sigmoid",
}


@build.register(kinds.Relu)
@build.register(kinds.Silu)
@build.register(kinds.Selu)
@build.register(kinds.Softplus)
@build.register(kinds.Tanh)
@build.register(kinds.Sigmoid)
def _(layer: kinds.Layer, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.Activation, node, x, activation=ACTIVATIONS[type(layer)])


@build.register
def _(layer: kinds.LeakyRelu, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    x = graph.add(keras.layers.LeakyReLU, node, x, negative_slope=layer.slope)
    return x if layer.gain == 1 else x * layer.gain


@build.register
def _(layer: kinds.Elu, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.ELU, node, x, alpha=layer.alpha)


@build.register
def _(layer: kinds.Gelu, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return ops.gelu(x, approximate=layer.approximation == "tanh")


@build.register
def _(layer: kinds.Prelu, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    axes = list(range(1, len(x.shape) - 1))
    slope = graph.array(node, "slope")
    return graph.add(keras.layers.PReLU, node, x, slope, shared_axes=axes)


@build.register(kinds.Dropout)
@build.register(kinds.PixelNoise)
def _(layer: kinds.Layer, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return x  # they act in training only
