"""Layers that arrange the same features."""

from jax import Array

from gandem.core import specs as kinds
from gandem_jax.layers.base import LAYERS, Context


def depth_to_space(layer: kinds.DepthToSpace, x: Array, at: Context) -> Array:
    factor = layer.factor
    x = x.reshape(*x.shape[:3], -1, factor, factor)  # (N, H, W, C, f, f)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(-1, *at.node.output_shape)


def space_to_depth(layer: kinds.SpaceToDepth, x: Array, at: Context) -> Array:
    factor, (height, width, _) = layer.factor, at.node.output_shape
    x = x.reshape(-1, height, factor, width, factor, x.shape[-1])
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(-1, *at.node.output_shape)


LAYERS |= {
    kinds.DepthToSpace: depth_to_space,
    kinds.SpaceToDepth: space_to_depth,
    kinds.Flatten: lambda layer, x, at: x.reshape(-1, *at.node.output_shape),
    kinds.Reshape: lambda layer, x, at: x.reshape(-1, *at.node.output_shape),
    kinds.Slice: lambda layer, x, at: x[..., layer.start : layer.stop],
}
