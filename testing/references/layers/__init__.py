"""The independent reference for layers: plain NumPy, written from core's docstrings.

It shares no code with a backend or with core's geometry, and avoids optimizations. Every array has
a leading axis U, one place for each coordinate of the derivatives (see ``dual_numbers.py``): an
image is (U, N, H, W, C), a kernel (U, in, out).
"""

from gandem.testing.references.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    graph,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem.testing.references.layers.base import Network, forward

__all__ = ["Network", "forward"]
