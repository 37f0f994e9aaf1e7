"""Layers in JAX: one function for each kind. Images are (N, H, W, C), as everywhere in core."""

from gandem_jax.layers import activations, affine, graph, norms, resampling, shaping  # noqa: F401
from gandem_jax.layers.base import LAYERS, Context, run

__all__ = ["LAYERS", "Context", "run"]
