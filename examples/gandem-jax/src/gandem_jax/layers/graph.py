"""Layers that contain layers or read other inputs."""

import jax.numpy as jnp
from jax import Array

from gandem.core import specs as kinds
from gandem_jax.layers.base import LAYERS, Context, run


def concatenate(layer: kinds.Concatenate, x: Array, at: Context) -> Array:
    other = run(at.node.branches["layers"], at.inputs[layer.input], at)
    if layer.planes:
        other = jnp.broadcast_to(other[:, None, None, :], (*x.shape[:3], other.shape[-1]))
    return jnp.concatenate([x, other], axis=-1)


def residual(layer: kinds.Residual, x: Array, at: Context) -> Array:
    return run(at.node.branches["layers"], x, at) + run(at.node.branches["shortcut"], x, at)


LAYERS |= {
    kinds.Concatenate: concatenate,
    kinds.Residual: residual,
}
