"""Dense layers, convolutions and learned arrays as stock Keras layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node, crops, pads
from gandem.exporters.keras.layers.base import Graph, build


@build.register
def _(layer: kinds.Dense, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    weights = graph.find(node, "kernel", "bias")
    return graph.add(keras.layers.Dense, node, x, *weights, units=layer.units, use_bias=layer.bias)


@build.register
def _(layer: kinds.Embedding, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    table = graph.array(node, "table")
    return graph.add(keras.layers.Dense, node, x, table, units=layer.units, use_bias=False)


@build.register(kinds.Conv2D)
@build.register(kinds.Conv2DTranspose)
def _(layer: Any, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return convolve(layer, node, x, graph, graph.find(node, "bias"))


def convolve(
    layer: Any, node: Node, x: KerasTensor, graph: Graph, bias: list[np.ndarray]
) -> KerasTensor:
    """Add a convolution of either kind, with a bias or with none."""
    is_transposed = isinstance(layer, kinds.Conv2DTranspose)
    return (_convolve_back if is_transposed else _convolve_forward)(layer, node, x, graph, bias)


def _convolve_forward(
    layer: kinds.Conv2D, node: Node, x: KerasTensor, graph: Graph, bias: list[np.ndarray]
) -> KerasTensor:
    height, width = node.input_shape[:2]
    sides, dilation = pads(layer, height, width), layer.dilation
    kernel = graph.array(node, "kernel")
    if dilation != (1, 1) and layer.stride != (1, 1):  # Keras has no layer with both
        rows, columns = (1 + (n - 1) * d for n, d in zip(kernel.shape, dilation, strict=False))
        dilated = np.zeros((rows, columns, *kernel.shape[2:]), kernel.dtype)
        dilated[:: dilation[0], :: dilation[1]] = kernel
        kernel, dilation = dilated, (1, 1)
    padding = "valid"
    if sides == pads(replace(layer, padding="same"), height, width):
        padding = "same"
    elif any(map(any, sides)):
        x = graph.add(keras.layers.ZeroPadding2D, node, x, part="padding", padding=sides)
    return graph.add(
        keras.layers.Conv2D,
        node,
        x,
        kernel,
        *bias,
        filters=layer.filters,
        kernel_size=kernel.shape[:2],
        strides=layer.stride,
        padding=padding,
        dilation_rate=dilation,
        groups=layer.groups,
        use_bias=bool(bias),
    )


def _convolve_back(
    layer: kinds.Conv2DTranspose, node: Node, x: KerasTensor, graph: Graph, bias: list[np.ndarray]
) -> KerasTensor:
    crop, padding = crops(layer), "valid"
    if crop == crops(replace(layer, padding="same")) and all(a == b >= 0 for a, b in crop):
        crop, padding = ((0, 0), (0, 0)), "same"
    else:  # Keras adds rows up to a whole stride
        missing = (max(s - k, 0) for k, s in zip(layer.kernel, layer.stride, strict=True))
        crop = tuple((a, b + n) for (a, b), n in zip(crop, missing, strict=True))
    cut, added = (tuple((max(f * a, 0), max(f * b, 0)) for a, b in crop) for f in (1, -1))
    extends = any(map(any, added))
    x = graph.add(
        keras.layers.Conv2DTranspose,
        node,
        x,
        graph.array(node, "kernel"),
        *([] if extends else bias),
        filters=layer.filters,
        kernel_size=layer.kernel,
        strides=layer.stride,
        padding=padding,
        use_bias=bool(bias) and not extends,
    )
    if any(map(any, cut)):
        x = graph.add(keras.layers.Cropping2D, node, x, part="crop", cropping=cut)
    if extends:  # the added rows see the bias
        x = graph.add(keras.layers.ZeroPadding2D, node, x, part="padding", padding=added)
        x = x + graph.learned(node, "bias", x) if bias else x
    return x


@build.register
def _(layer: kinds.Constant, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return ops.reshape(graph.learned(node, "value", x), (-1, *layer.shape))


@build.register
def _(layer: kinds.PositionEmbedding, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return x + graph.learned(node, "position", x)


@build.register
def _(layer: kinds.Bias, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return x + graph.learned(node, "bias", x)
