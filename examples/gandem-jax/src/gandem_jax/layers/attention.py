"""Attention."""

import jax
from jax import Array

from gandem.core import specs as kinds
from gandem_jax.layers.base import LAYERS, Context, run


def self_attention(layer: kinds.SelfAttention, x: Array, at: Context) -> Array:
    def branch(name: str) -> Array:
        out = run(at.node.branches[name], x, at)
        return out.reshape(len(x), -1, out.shape[-1])  # (N, H·W, C)

    query, key, value = branch("query"), branch("key"), branch("value")
    weights = jax.nn.softmax(query @ key.swapaxes(1, 2))  # (N, H·W, keys)
    read = (weights @ value).reshape(*x.shape[:3], -1)
    return x + at["gamma"] * run(at.node.branches["output"], read, at)


LAYERS[kinds.SelfAttention] = self_attention
