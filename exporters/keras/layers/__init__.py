"""Layers of a spec as stock Keras layers and operations, which load without gandem.

Weights are in stock layers; arithmetic without weights is in operations of ``keras.ops``. Each
layer computes the same on all of Keras's backends. Images are (N, H, W, C).
"""

from gandem.exporters.keras.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    graph,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem.exporters.keras.layers.base import Graph

__all__ = ["Graph"]
