"""Layers in JAX: one function for each kind. Images are (N, H, W, C), as everywhere in core."""

from gandem_jax.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    graph,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem_jax.layers.base import LAYERS, Context, run

__all__ = ["LAYERS", "Context", "run"]
