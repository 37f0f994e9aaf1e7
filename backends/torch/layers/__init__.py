"""Layers in PyTorch: torch's modules where they follow the spec, our own elsewhere.

Images are (N, C, H, W). Parameters keep torch's names and layouts; ``network.py`` maps them to
canonical ones.
"""

from gandem.backends.torch.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    modulation,
    norms,
    resampling,
    shaping,
)
from gandem.backends.torch.layers.affine import SpectralNorm
from gandem.backends.torch.layers.base import Context, build, inward, outward
from gandem.backends.torch.layers.graph import Chain, attribute
from gandem.backends.torch.layers.shaping import Reshape

__all__ = ["Chain", "Context", "Reshape", "SpectralNorm", "attribute", "build", "inward", "outward"]
