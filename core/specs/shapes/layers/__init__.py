"""The output shape, the arrays and the inner layers of each kind of layer.

A new kind of layer registers a function with :func:`resolve`, and with :func:`branches` if it
contains layers.
"""

from gandem.core.specs.shapes.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    graph,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem.core.specs.shapes.layers.base import branches, resolve

__all__ = ["branches", "resolve"]
