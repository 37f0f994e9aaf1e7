"""Layers as PyTorch code: one expression each, for images (N, C, H, W) in inference mode."""

from gandem.exporters.torch.code import Code
from gandem.exporters.torch.layers import (  # noqa: F401
    activations,
    affine,
    attention,
    graph,
    modulation,
    norms,
    resampling,
    shaping,
)

__all__ = ["Code"]
