"""Normalization as stock Keras layers."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.keras.layers.base import Graph, build, spread


@build.register
def _(layer: kinds.BatchNorm, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    weights = graph.find(node, "scale", "offset", "mean", "variance")
    return graph.add(
        keras.layers.BatchNormalization,
        node,
        x,
        *weights,
        epsilon=layer.epsilon,
        center=layer.affine,
        scale=layer.affine,
        momentum=layer.decay,
    )


@build.register
def _(layer: kinds.LayerNorm, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    axes = list(range(1, len(x.shape))) if layer.over == "all" else [-1]
    return _normalize(keras.layers.LayerNormalization, layer, node, x, graph, axis=axes)


@build.register(kinds.GroupNorm)
@build.register(kinds.InstanceNorm)
def _(layer: Any, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    groups = layer.groups if isinstance(layer, kinds.GroupNorm) else x.shape[-1]
    return _normalize(keras.layers.GroupNormalization, layer, node, x, graph, groups=groups)


def _normalize(
    kind: type[keras.layers.Layer],
    layer: Any,
    node: Node,
    x: KerasTensor,
    graph: Graph,
    **options: Any,
) -> KerasTensor:
    weights = graph.find(node, "scale", "offset")
    options |= {"center": layer.affine, "scale": layer.affine}
    return graph.add(kind, node, x, *weights, epsilon=layer.epsilon, **options)


@build.register
def _(layer: kinds.PixelNorm, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    return x * ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + layer.epsilon)


@build.register
def _(layer: kinds.MinibatchStddev, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    height, width, channels = node.input_shape
    parts = ops.reshape(x, (-1, height * width * channels))
    ones = ops.ones_like(parts[:, :1])
    count = ops.sum(ones)  # a model with a free batch axis has no other number of samples
    sizes = [count * 0 + size for size in range(1, layer.group_size + 1)]
    size = sizes[0]
    for larger in sizes[1:]:
        size = ops.where(ops.equal(ops.mod(count, larger), 0), larger, size)
    groups, place = count / size, ops.cumsum(ones, axis=0) - 1  # (N, 1)
    distance = place - ops.transpose(place)
    mates = ops.cast(ops.equal(ops.mod(distance, groups), 0), "float32") / size  # (N, N)
    centered = parts - ops.matmul(mates, parts)
    variance = ops.matmul(mates, centered * centered)
    deviation = ops.sqrt(variance + layer.epsilon)
    shape = (-1, height * width, layer.features, channels // layer.features)
    mean = ops.mean(ops.reshape(deviation, shape), axis=(1, 3))  # (N, features)
    return ops.concatenate([x, spread(mean, x)], axis=-1)
