"""Upsampling and pooling as stock Keras layers."""

from __future__ import annotations

import keras
import numpy as np
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node, filter_matrix, interpolation, pads
from gandem.exporters.keras.layers.base import Graph, build


def _resample(
    node: Node, x: KerasTensor, graph: Graph, rows: np.ndarray, columns: np.ndarray
) -> KerasTensor:
    """Multiply both axes of an image by matrices (pixels out, pixels in)."""
    for part, equation, matrix in (
        ("rows", "nhwc,ah->nawc", rows),
        ("columns", "nhwc,bw->nhbc", columns),
    ):
        shape = list(x.shape[1:])
        shape[part == "columns"] = len(matrix)
        x = graph.add(
            keras.layers.EinsumDense,
            node,
            x,
            matrix,
            part=part,
            equation=equation,
            output_shape=tuple(shape),
        )
    return x


@build.register
def _(layer: kinds.Upsample2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    if layer.method == "nearest":
        # UpSampling2D, which repeats rows, hides the height from the converter to LiteRT
        size = node.output_shape[:2]
        return ops.image.resize(x, size, interpolation="nearest", data_format="channels_last")
    sizes = zip(node.input_shape, layer.factor, strict=False)
    return _resample(node, x, graph, *(interpolation(n, factor) for n, factor in sizes))


@build.register
def _(layer: kinds.Resample2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    sizes = enumerate(node.input_shape[:2])
    return _resample(node, x, graph, *(filter_matrix(layer, n, axis) for axis, n in sizes))


@build.register
def _(layer: kinds.MaxPool2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    options = {"pool_size": layer.size, "strides": layer.stride, "padding": layer.padding}
    return graph.add(keras.layers.MaxPooling2D, node, x, **options)


@build.register
def _(layer: kinds.AveragePool2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    sides = pads(layer, *node.input_shape[:2])
    if any(map(any, sides)):  # Keras counts padding on PyTorch
        windows = zip(node.input_shape, layer.size, layer.stride, sides, strict=False)
        return _resample(node, x, graph, *(_mean_matrix(*window) for window in windows))
    options = {"pool_size": layer.size, "strides": layer.stride}
    return graph.add(keras.layers.AveragePooling2D, node, x, **options)


def _mean_matrix(n: int, size: int, stride: int, sides: tuple[int, int]) -> np.ndarray:
    """Return the matrix (windows, n) of means over the pixels of each window."""
    starts = np.arange(0, n + sum(sides) - size + 1, stride) - sides[0]
    distance = np.arange(n) - starts[:, None]
    inside = (0 <= distance) & (distance < size)
    return inside / inside.sum(1, keepdims=True)


@build.register
def _(layer: kinds.GlobalMaxPool2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.GlobalMaxPooling2D, node, x)


@build.register
def _(layer: kinds.GlobalAveragePool2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return graph.add(keras.layers.GlobalAveragePooling2D, node, x)


@build.register
def _(layer: kinds.GlobalSumPool2D, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return ops.sum(x, axis=(1, 2))
