"""Upsampling and pooling."""

import jax.numpy as jnp
from jax import Array, lax

from gandem.core import specs as kinds
from gandem.core.specs import filter_matrix, interpolation, pads
from gandem_jax.layers.base import LAYERS, Context


def upsample2d(layer: kinds.Upsample2D, x: Array, at: Context) -> Array:
    if layer.method == "nearest":
        return jnp.repeat(jnp.repeat(x, layer.factor[0], axis=1), layer.factor[1], axis=2)
    sizes = zip(x.shape[1:3], layer.factor, strict=True)
    rows, columns = (interpolation(n, factor).astype(x.dtype) for n, factor in sizes)
    return jnp.einsum("ah,nhwc,bw->nabc", rows, x, columns)


def resample2d(layer: kinds.Resample2D, x: Array, at: Context) -> Array:
    sizes = zip(x.shape[1:3], (0, 1), strict=True)
    rows, columns = (filter_matrix(layer, n, axis).astype(x.dtype) for n, axis in sizes)
    return jnp.einsum("ah,nhwc,bw->nabc", rows, x, columns)


def pool(layer: kinds.MaxPool2D | kinds.AveragePool2D, x: Array, start: float, join) -> Array:
    sides = ((0, 0), *pads(layer, *x.shape[1:3]), (0, 0))
    return lax.reduce_window(x, start, join, (1, *layer.size, 1), (1, *layer.stride, 1), sides)


def average_pool2d(layer: kinds.AveragePool2D, x: Array, at: Context) -> Array:
    inside = pool(layer, jnp.ones_like(x[:1, :, :, :1]), 0.0, lax.add)  # padding is no pixel
    return pool(layer, x, 0.0, lax.add) / inside


LAYERS |= {
    kinds.Upsample2D: upsample2d,
    kinds.Resample2D: resample2d,
    kinds.MaxPool2D: lambda layer, x, at: pool(layer, x, -jnp.inf, lax.max),
    kinds.AveragePool2D: average_pool2d,
    kinds.GlobalMaxPool2D: lambda layer, x, at: jnp.max(x, axis=(1, 2)),  # ties share the gradient
    kinds.GlobalAveragePool2D: lambda layer, x, at: jnp.mean(x, axis=(1, 2)),  # (N, C)
}
