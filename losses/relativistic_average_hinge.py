"""The relativistic average hinge loss (RaHingeGAN).

Images whose logits lie more than 1 on the correct side of the mean of the other kind no longer
contribute.
"""

from gandem.core.training import Ops, Tensor
from gandem.losses.relativistic import Relativistic


class RelativisticAverageHinge(Relativistic):
    r"""Margins of 1 around the mean logit of the other kind, for both players.

    .. math::
        \begin{aligned}
        L_D &= \mathbb{E}_x \max(0, 1 - (D(x) - \mathbb{E}_z D(G(z))))
               + \mathbb{E}_z \max(0, 1 + (D(G(z)) - \mathbb{E}_x D(x))) \\
        L_G &= \mathbb{E}_z \max(0, 1 - (D(G(z)) - \mathbb{E}_x D(x)))
               + \mathbb{E}_x \max(0, 1 + (D(x) - \mathbb{E}_z D(G(z))))
        \end{aligned}

    Reference: Jolicoeur-Martineau 2018, arXiv:1807.00734.
    """

    def pair(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        r"""Compute the discriminator's loss.

        .. math:: \mathbb{E}_x \max(0, 1 - (D(x) - \bar D_f))
            + \mathbb{E}_z \max(0, 1 + (D(G(z)) - \bar D_r))

        Args:
            real: :math:`D(x)`, shape ``(N, 1)``, with mean :math:`\bar D_r`.
            fake: :math:`D(G(z))`, shape ``(N, 1)``, with mean :math:`\bar D_f`.

        Returns:
            The sum of the two batch means, in logits, a scalar.
        """
        above, below = real - ops.mean(fake), fake - ops.mean(real)
        return ops.mean(ops.relu(1.0 - above)) + ops.mean(ops.relu(1.0 + below))
