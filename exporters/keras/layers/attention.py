"""Attention as stock Keras layers."""

from __future__ import annotations

import keras
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.keras.layers.base import Graph, build


@build.register
def _(layer: kinds.SelfAttention, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    images = {name: graph.run(node.branches[name], x) for name in ("query", "value", "key")}
    flat = [ops.reshape(y, (-1, y.shape[1] * y.shape[2], y.shape[3])) for y in images.values()]
    attended = graph.add(keras.layers.Attention, node, flat)  # (N, H·W, C)
    attended = ops.reshape(attended, (-1, *x.shape[1:3], attended.shape[-1]))
    gamma = float(graph.array(node, "gamma")[0])
    return x + gamma * graph.run(node.branches["output"], attended)
