"""Activations and dropout."""

import jax.numpy as jnp
from jax import Array, lax
from jax.nn import elu, gelu, relu, silu

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem_jax.layers.base import LAYERS, Context


def dropout(layer: kinds.Dropout, x: Array, at: Context) -> Array:
    kept = 1 - dropout_levels(layer.rate) / 256
    return x * (at.draws[at.node.path].astype(x.dtype) / kept) if at.training else x


def selu(layer: kinds.Selu, x: Array, at: Context) -> Array:
    return layer.scale * elu(x, layer.alpha)


LAYERS |= {
    kinds.Dropout: dropout,
    kinds.Relu: lambda layer, x, at: relu(x),
    kinds.LeakyRelu: lambda layer, x, at: layer.gain * jnp.where(x > 0, x, layer.slope * x),
    kinds.Elu: lambda layer, x, at: elu(x, layer.alpha),
    kinds.Silu: lambda layer, x, at: silu(x),
    kinds.Selu: selu,
    kinds.Gelu: lambda layer, x, at: gelu(x, approximate=layer.approximation == "tanh"),
    kinds.Softplus: lambda layer, x, at: jnp.logaddexp(x, 0.0),
    kinds.Prelu: lambda layer, x, at: jnp.where(x > 0, x, at["slope"] * x),
    kinds.Tanh: lambda layer, x, at: jnp.tanh(x),
    kinds.Sigmoid: lambda layer, x, at: lax.logistic(x),
}
