"""Layers that contain layers or read other inputs."""

import jax.numpy as jnp
from jax import Array

from gandem.core import specs as kinds
from gandem_jax.layers.base import LAYERS, Context, read, run


def concatenate(layer: kinds.Concatenate, x: Array, at: Context) -> Array:
    other = read("layers", at)
    if layer.planes:
        other = jnp.broadcast_to(other[:, None, None, :], (*x.shape[:3], other.shape[-1]))
    return jnp.concatenate([x, other], axis=-1)


def residual(layer: kinds.Residual, x: Array, at: Context) -> Array:
    return run(at.node.branches["layers"], x, at) + run(at.node.branches["shortcut"], x, at)


LAYERS |= {
    kinds.Add: lambda layer, x, at: x + read("layers", at),
    kinds.Dot: lambda layer, x, at: (x * read("layers", at)).sum(1, keepdims=True),  # (N, 1)
    kinds.Concatenate: concatenate,
    kinds.Read: lambda layer, x, at: at.inputs[at.node.reads],
    kinds.Head: lambda layer, x, at: run(at.node.branches["layers"], x, at),
    kinds.Residual: residual,
}
