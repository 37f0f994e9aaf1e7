"""Penalties on the gradient of the discriminator with respect to its image."""

from __future__ import annotations

from gandem.core.training.ops import Ops, Tensor

__all__ = ["gradient_penalty", "r1"]


def gradient_penalty(ops: Ops, slope: Tensor) -> Tensor:
    r"""Compute the gradient penalty of WGAN-GP.

    .. math:: \mathbb{E}_{\hat x} (\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1)^2

    Args:
        slope: :math:`\nabla D`, the shape of the images, batch first, at points :math:`\hat x`
            uniformly between a real and a fake image. 1e-12 under the root keeps its derivative
            finite at 0.

    Reference: Gulrajani et al. 2017, equation 3, arXiv:1704.00028.
    """
    norms = ops.sqrt(ops.sum_rows(ops.square(slope)) + 1e-12)  # (N,)
    return ops.mean(ops.square(norms - 1.0))


def r1(ops: Ops, slope: Tensor) -> Tensor:
    r"""Compute the R1 penalty: half the squared gradient norm at real images.

    .. math:: \tfrac12 \mathbb{E}_x \lVert \nabla D(x) \rVert_2^2

    Args:
        slope: :math:`\nabla D`, the shape of the images, batch first.

    Reference: Mescheder et al. 2018, equation 9, arXiv:1801.04406.
    """
    return 0.5 * ops.mean(ops.sum_rows(ops.square(slope)))
