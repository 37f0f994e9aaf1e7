"""Layers that arrange the same features."""

from gandem.core import specs as kinds
from gandem_jax.layers.base import LAYERS

LAYERS |= {
    kinds.Flatten: lambda layer, x, at: x.reshape(-1, *at.node.output_shape),
    kinds.Reshape: lambda layer, x, at: x.reshape(-1, *at.node.output_shape),
}
