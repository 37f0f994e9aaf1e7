"""The relativistic average least squares loss (RaLSGAN).

Real images should lie 1 above the mean logit of the fake ones, fake images 1 below that of the real
ones; for the generator the other way round.
"""

from gandem.core.training import Ops, Tensor
from gandem.losses.relativistic import Relativistic


class RelativisticAverageLeastSquares(Relativistic):
    r"""Squared distance of relative logits to 1 and -1, for both players.

    .. math::
        \begin{aligned}
        L_D &= \mathbb{E}_x (D(x) - \mathbb{E}_z D(G(z)) - 1)^2
               + \mathbb{E}_z (D(G(z)) - \mathbb{E}_x D(x) + 1)^2 \\
        L_G &= \mathbb{E}_z (D(G(z)) - \mathbb{E}_x D(x) - 1)^2
               + \mathbb{E}_x (D(x) - \mathbb{E}_z D(G(z)) + 1)^2
        \end{aligned}

    Reference: Jolicoeur-Martineau 2018, arXiv:1807.00734.
    """

    def pair(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        r"""Compute the discriminator's loss.

        .. math:: \mathbb{E}_x (D(x) - \bar D_f - 1)^2 + \mathbb{E}_z (D(G(z)) - \bar D_r + 1)^2

        Args:
            real: :math:`D(x)`, shape ``(N, 1)``, with mean :math:`\bar D_r`.
            fake: :math:`D(G(z))`, shape ``(N, 1)``, with mean :math:`\bar D_f`.

        Returns:
            The sum of the two batch means, in squared logits, a scalar.
        """
        above, below = real - ops.mean(fake), fake - ops.mean(real)
        return ops.mean(ops.square(above - 1.0)) + ops.mean(ops.square(below + 1.0))
