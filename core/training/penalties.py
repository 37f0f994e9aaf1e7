"""Penalties on the discriminator, on its gradient with respect to its image and on its logits, and
on the kernels of the generator.
"""

from __future__ import annotations

from collections.abc import Iterable

from gandem.core.training.ops import Ops, Tensor

__all__ = [
    "gradient_penalty",
    "lecam_penalty",
    "mix_images",
    "move_images",
    "orthogonal_penalty",
    "squared_distance",
    "squared_slope",
]


def mix_images(real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Return points between real and fake images, where WGAN-GP penalizes the gradient.

    Args:
        mix: (N, 1, 1, 1), uniform from 0 to 1.
    """
    return mix * real + (1.0 - mix) * fake


def move_images(ops: Ops, real: Tensor, mix: Tensor, shift: Tensor) -> Tensor:
    r"""Return points near real images, where DRAGAN penalizes the gradient.

    .. math:: \hat x = x + (1 - \alpha) \cdot \tfrac12 s \, u

    Here s is the standard deviation of all numbers of the batch, as in the authors' program.

    Args:
        mix: :math:`\alpha` (N, 1, 1, 1), uniform from 0 to 1.
        shift: :math:`u`, uniform from 0 to 1, the shape of the images.

    Reference: Kodali et al. 2017, arXiv:1705.07215; github.com/kodalinaveen3/DRAGAN.
    """
    spread = ops.sqrt(ops.mean(ops.square(real - ops.mean(real))))
    return real + (1.0 - mix) * (0.5 * spread * shift)


def gradient_penalty(ops: Ops, slope: Tensor, norm: Tensor = 1.0) -> Tensor:
    r"""Compute the gradient penalty of WGAN-GP.

    .. math:: \mathbb{E}_{\hat x} (\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - c)^2

    Args:
        slope: :math:`\nabla D`, the shape of the images, batch first, at points :math:`\hat x`.
            1e-12 under the root keeps its derivative finite at 0.
        norm: :math:`c`.

    Reference: Gulrajani et al. 2017, equation 3, arXiv:1704.00028.
    """
    norms = ops.sqrt(ops.sum_rows(ops.square(slope)) + 1e-12)  # (N,)
    return ops.mean(ops.square(norms - norm))


def squared_slope(ops: Ops, slope: Tensor) -> Tensor:
    r"""Compute the R1 penalty, half the squared gradient norm at real images; R2 at fake ones.

    .. math:: \tfrac12 \mathbb{E}_x \lVert \nabla D(x) \rVert_2^2

    Args:
        slope: :math:`\nabla D`, the shape of the images, batch first.

    Reference: Mescheder et al. 2018, equation 9, arXiv:1801.04406.
    """
    return 0.5 * ops.mean(ops.sum_rows(ops.square(slope)))


def lecam_penalty(
    ops: Ops, real: Tensor, fake: Tensor, real_average: Tensor, fake_average: Tensor
) -> Tensor:
    r"""Compute the LeCam regularization.

    .. math:: \mathbb{E}_x (D(x) - \alpha_F)^2 + \mathbb{E}_z (D(G(z)) - \alpha_R)^2

    Args:
        real: logits :math:`D(x)`, (N, 1); ``fake`` likewise.
        real_average: :math:`\alpha_R`, a moving average of real logits; ``fake_average`` likewise.

    Reference: Tseng et al. 2021, equation 5, arXiv:2104.03310.
    """
    return squared_distance(ops, real, fake_average) + squared_distance(ops, fake, real_average)


def squared_distance(ops: Ops, first: Tensor, second: Tensor) -> Tensor:
    """Compute the mean squared difference: the consistency penalty, of logits of images before and
    after random changes.

    Reference: Zhang et al. 2019, arXiv:1910.12027; Zhao et al. 2020, arXiv:2002.04724.
    """
    return ops.mean(ops.square(first - second))


def orthogonal_penalty(ops: Ops, kernels: Iterable[Tensor]) -> Tensor:
    r"""Compute the orthogonal regularization of kernels: it makes their filters orthogonal, and
    leaves the norms of the filters free.

    .. math:: \sum_W \lVert W^T W \odot (1 - I) \rVert_F^2

    Args:
        kernels: each :math:`W`, (kh·kw·in, out).

    Reference: Brock et al. 2018, equation 3, arXiv:1809.11096.
    """
    total = 0.0
    for kernel in kernels:
        products = ops.column_products(kernel)  # (out, out)
        total = total + ops.mean(ops.square(products)) * products.shape[0] ** 2
    return total
