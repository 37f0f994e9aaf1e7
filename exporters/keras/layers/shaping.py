"""Layers that arrange the same features, as stock Keras layers."""

from __future__ import annotations

import keras
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.keras.layers.base import Graph, build


@build.register
def _(layer: kinds.Flatten, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.Flatten, node, x)


@build.register
def _(layer: kinds.Reshape, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.Reshape, node, x, target_shape=layer.shape)


@build.register
def _(layer: kinds.DepthToSpace, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    (height, width, channels), factor = node.input_shape, layer.factor
    x = ops.reshape(x, (-1, height, width, channels // factor**2, factor, factor))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (-1, *node.output_shape))


@build.register
def _(layer: kinds.SpaceToDepth, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    (height, width, channels), factor = node.input_shape, layer.factor
    x = ops.reshape(x, (-1, height // factor, factor, width // factor, factor, channels))
    x = ops.transpose(x, (0, 1, 3, 5, 2, 4))
    return ops.reshape(x, (-1, *node.output_shape))


@build.register
def _(layer: kinds.Slice, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return x[..., layer.start : layer.stop]
