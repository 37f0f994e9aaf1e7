"""Layers that contain layers or read other inputs, as stock Keras layers."""

from __future__ import annotations

import keras
from keras import KerasTensor

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.keras.layers.base import Graph, build, spread


@build.register
def _(layer: kinds.Concatenate, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    other = graph.read(node)
    other = spread(other, x) if layer.planes else other
    return graph.add(keras.layers.Concatenate, node, [x, other])


@build.register
def _(layer: kinds.Add, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.Add, node, [x, graph.read(node)])


@build.register
def _(layer: kinds.Dot, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.Dot, node, [x, graph.read(node)], axes=1)


@build.register
def _(layer: kinds.Read, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.tensors[node.reads]


@build.register
def _(layer: kinds.Residual, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    sums = [graph.run(node.branches[name], x) for name in ("layers", "shortcut")]
    return graph.add(keras.layers.Add, node, sums)


@build.register
def _(layer: kinds.Head, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.run(node.branches["layers"], x)


@build.register
def _(layer: kinds.Blend, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return layer.weight * x + (1 - layer.weight) * graph.read(node)
