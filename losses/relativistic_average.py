"""The relativistic average loss (RaSGAN), of ESRGAN among others.

The discriminator learns that a real image is more realistic than the average fake image, and a fake
one less realistic than the average real image; the generator learns the opposite.
"""

from gandem.core.training import Ops, Tensor
from gandem.losses.relativistic import Relativistic


class RelativisticAverage(Relativistic):
    r"""The non-saturating loss of logits relative to the mean of the other kind.

    .. math::
        \begin{aligned}
        L_D &= -\mathbb{E}_x \log \sigma(D(x) - \mathbb{E}_z D(G(z)))
               - \mathbb{E}_z \log \sigma(\mathbb{E}_x D(x) - D(G(z))) \\
        L_G &= -\mathbb{E}_z \log \sigma(D(G(z)) - \mathbb{E}_x D(x))
               - \mathbb{E}_x \log \sigma(\mathbb{E}_z D(G(z)) - D(x))
        \end{aligned}

    Reference: Jolicoeur-Martineau 2018, arXiv:1807.00734.
    """

    def pair(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        r"""Compute the discriminator's loss.

        .. math:: \mathbb{E}_x \log(1 + e^{\bar D_f - D(x)})
            + \mathbb{E}_z \log(1 + e^{D(G(z)) - \bar D_r})

        Args:
            real: :math:`D(x)`, shape ``(N, 1)``, with mean :math:`\bar D_r`.
            fake: :math:`D(G(z))`, shape ``(N, 1)``, with mean :math:`\bar D_f`.

        Returns:
            The sum of the two batch means, in nats, a scalar.
        """
        above, below = ops.mean(fake) - real, fake - ops.mean(real)
        return ops.mean(ops.softplus(above)) + ops.mean(ops.softplus(below))
