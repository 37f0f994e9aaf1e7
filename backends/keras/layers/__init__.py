"""Layers in Keras, built from TensorFlow operations.

Keras's own norms, LeakyReLU, resizing and transposed convolutions differ from the spec in value or
second derivative, so every layer here is our own. Images are (N, H, W, C); parameters have
canonical layouts and names.
"""

from gandem.backends.keras.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem.backends.keras.layers.base import Context, Layer, build
from gandem.backends.keras.layers.graph import chain, run

__all__ = ["Context", "Layer", "build", "chain", "run"]
