"""Penalties on the discriminator: on its gradient with respect to its image, and on its logits; and
the path lengths, the distance of features and the orthogonal regularization of the generator.

Images of several resolutions are a mapping with one tensor for each. A gradient penalty is the mean
of those at each resolution, as in the program of Karnewar & Wang 2020, arXiv:1903.06048.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping

from gandem.core.training.ops import Images, Ops, Tensor

__all__ = [
    "feature_distance",
    "gradient_penalty",
    "lecam_penalty",
    "mix_images",
    "move_images",
    "orthogonal_penalty",
    "path_lengths",
    "squared_distance",
    "squared_slope",
]


def mix_images(real: Images, fake: Images, mix: Tensor) -> Images:
    """Return points between real and fake images, where WGAN-GP penalizes the gradient.

    Args:
        mix: (N, 1, 1, 1), uniform from 0 to 1, the same for all resolutions.
    """
    return {name: mix * image + (1.0 - mix) * fake[name] for name, image in real.items()}


def move_images(ops: Ops, real: Images, mix: Tensor, shifts: Images) -> Images:
    r"""Return points near real images, where DRAGAN penalizes the gradient.

    .. math:: \hat x = x + (1 - \alpha) \cdot \tfrac12 s \, u

    Here s is the standard deviation of all numbers of the batch, as in the authors' program; each
    resolution has its own.

    Args:
        mix: :math:`\alpha` (N, 1, 1, 1), uniform from 0 to 1.
        shifts: :math:`u`, uniform from 0 to 1, the shapes of the images.

    Reference: Kodali et al. 2017, arXiv:1705.07215; github.com/kodalinaveen3/DRAGAN.
    """
    points = {}
    for name, image in real.items():
        spread = ops.sqrt(ops.mean(ops.square(image - ops.mean(image))))
        points[name] = image + (1.0 - mix) * (0.5 * spread * shifts[name])
    return points


def gradient_penalty(ops: Ops, slopes: Images, norm: Tensor = 1.0) -> Tensor:
    r"""Compute the gradient penalty of WGAN-GP.

    .. math:: \mathbb{E}_{\hat x} (\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - c)^2

    Args:
        slopes: :math:`\nabla D`, the shapes of the images, batch first, at points :math:`\hat x`.
            1e-12 under the root keeps its derivative finite at 0.
        norm: :math:`c`.

    Reference: Gulrajani et al. 2017, equation 3, arXiv:1704.00028.
    """
    norms = (ops.sqrt(ops.sum_rows(ops.square(slope)) + 1e-12) for slope in slopes.values())  # (N,)
    return _mean(ops.mean(ops.square(length - norm)) for length in norms)


def squared_slope(ops: Ops, slopes: Images) -> Tensor:
    r"""Compute the R1 penalty, half the squared gradient norm at real images; R2 at fake ones.

    .. math:: \tfrac12 \mathbb{E}_x \lVert \nabla D(x) \rVert_2^2

    Args:
        slopes: :math:`\nabla D`, the shapes of the images, batch first.

    Reference: Mescheder et al. 2018, equation 9, arXiv:1801.04406.
    """
    squares = (ops.mean(ops.sum_rows(ops.square(slope))) for slope in slopes.values())
    return 0.5 * _mean(squares)


def _mean(terms: Iterable[Tensor]) -> Tensor:
    """Return the mean of scalars."""
    total, *rest = terms
    return functools.reduce(operator.add, rest, total) / (1 + len(rest)) if rest else total


def path_lengths(ops: Ops, slope: Tensor, copies: int) -> Tensor:
    r"""Compute how long the change of each image in a random direction is, (N,).

    .. math:: \sqrt{\tfrac1c \lVert J_w^T y \rVert_2^2}

    Args:
        slope: :math:`J_w^T y`, of ``copies`` copies of w. 1e-12 under the root keeps its derivative
            finite at 0.

    Reference: Karras et al. 2020, section 3.2, arXiv:1912.04958.
    """
    return ops.sqrt(ops.sum_rows(ops.square(slope)) * (1.0 / copies) + 1e-12)


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


def feature_distance(
    ops: Ops, real: Mapping[str, Tensor] | None, fake: Mapping[str, Tensor] | None
) -> Tensor:
    r"""Compute the squared distance between the mean features of real and of fake images.

    .. math:: \lVert \mathbb{E}_x f(x) - \mathbb{E}_z f(G(z)) \rVert_2^2

    Args:
        real: :math:`f(x)` of some layers of the discriminator by name, batch first; the distances
            of several layers are added.
        fake: :math:`f(G(z))`, of the same layers.

    Reference: Salimans et al. 2016, section 3.1, arXiv:1606.03498.
    """
    real, fake = real or {}, fake or {}
    distances = [
        ops.sum_rows(ops.square(ops.batch_mean(real[name]) - ops.batch_mean(fake[name])))  # (1,)
        for name in real
    ]
    return ops.mean(sum(distances))


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
