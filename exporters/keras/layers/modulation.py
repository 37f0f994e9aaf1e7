"""Modulation and styles as stock Keras layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.keras.layers.affine import convolve
from gandem.exporters.keras.layers.base import Graph, build, expand


@build.register
def _(layer: kinds.Modulate, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    scale, offset = (expand(graph.read(node, name), x) for name in ("scale", "offset"))
    return x * (1 + scale) + offset


@build.register
def _(layer: kinds.Multiply, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return x * expand(graph.read(node), x)


@build.register
def _(layer: kinds.Styles, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    style = graph.run(node.branches["layers"], x)
    return ops.tile(style, (1, layer.count))  # the copies differ in training only


@build.register(kinds.ModulatedConv2D)
@build.register(kinds.ModulatedConv2DTranspose)
def _(layer: Any, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    style = graph.read(node)  # (N, in)
    x = convolve(layer, node, x * expand(style, x), graph, [])
    if layer.demodulate:
        kernel = np.moveaxis(graph.array(node, "kernel"), layer.filter_axis, -1)
        squares = (kernel.astype(np.float64) ** 2).sum((0, 1))  # (in, out)
        energy = graph.add(
            keras.layers.Dense,
            node,
            style * style,
            squares,
            part="energy",
            units=layer.filters,
            use_bias=False,
        )
        x = x * expand(ops.rsqrt(energy + layer.epsilon), x)
    return x + graph.learned(node, "bias", x) if layer.bias else x
