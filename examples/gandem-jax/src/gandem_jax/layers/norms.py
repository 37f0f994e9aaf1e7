"""Normalization."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

from gandem.core import specs as kinds
from gandem_jax.layers.base import LAYERS, Context


def moments(x: Array, axes: Sequence[int]) -> tuple[Array, Array, Array]:
    """Return mean, x - mean and biased variance; a second pass mends the rounding of the mean."""
    rough = lax.stop_gradient(jnp.mean(x, axes, keepdims=True))
    mean = rough + jnp.mean(x - rough, axes, keepdims=True)
    return mean, x - mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)


def normed(layer: kinds.Layer, centered: Array, variance: Array, at: Context) -> Array:
    x = (centered * lax.rsqrt(variance + layer.epsilon)).reshape(-1, *at.node.output_shape)
    return x * at["scale"] + at["offset"] if layer.affine else x


def batch_norm(layer: kinds.BatchNorm, x: Array, at: Context) -> Array:
    if not at.training:
        return normed(layer, x - at["mean"], at["variance"], at)
    mean, centered, variance = moments(x, tuple(range(x.ndim - 1)))  # (1, …, C)
    count = x.size // x.shape[-1]
    factor = 1 if layer.running_variance == "biased" else count / (count - 1)
    for name, value in (("mean", mean), ("variance", variance * factor)):
        at[name] = at[name] * layer.decay + value.ravel() * (1 - layer.decay)  # (C,)
    return normed(layer, centered, variance, at)


def layer_norm(layer: kinds.LayerNorm, x: Array, at: Context) -> Array:
    axes = tuple(range(1, x.ndim)) if layer.over == "all" else (-1,)
    return normed(layer, *moments(x, axes)[1:], at)


def group_norm(layer: kinds.GroupNorm | kinds.InstanceNorm, x: Array, at: Context) -> Array:
    groups = layer.groups if isinstance(layer, kinds.GroupNorm) else x.shape[-1]
    grouped = x.reshape(*x.shape[:-1], groups, -1)  # (N, H, W, groups, C / groups)
    return normed(layer, *moments(grouped, (*range(1, x.ndim - 1), -1))[1:], at)


def pixel_norm(layer: kinds.PixelNorm, x: Array, at: Context) -> Array:
    return x * lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + layer.epsilon)


def minibatch_stddev(layer: kinds.MinibatchStddev, x: Array, at: Context) -> Array:
    size = max(n for n in range(1, layer.group_size + 1) if len(x) % n == 0)
    grouped = x.reshape(size, len(x) // size, *x.shape[1:3], layer.features, -1)
    variance = jnp.mean(jnp.square(grouped - jnp.mean(grouped, 0)), 0)
    mean = jnp.mean(jnp.sqrt(variance + layer.epsilon), (1, 2, 4))  # (M, features)
    planes = jnp.tile(mean[:, None, None], (size, *x.shape[1:3], 1))
    return jnp.concatenate([x, planes], axis=-1)


LAYERS |= {
    kinds.PixelNorm: pixel_norm,
    kinds.MinibatchStddev: minibatch_stddev,
    kinds.BatchNorm: batch_norm,
    kinds.LayerNorm: layer_norm,
    kinds.GroupNorm: group_norm,
    kinds.InstanceNorm: group_norm,
}
