"""The relativistic loss (RSGAN, RpGAN), which R3GAN trains with.

The discriminator learns that a real image is more realistic than a fake one, the generator the
opposite. Each fake image is compared with the real image at its place in the batch, so the
generator cannot lower its loss at one mode of the data by leaving the others.
"""

from gandem.core.training import Ops, Tensor


class Relativistic:
    r"""The logistic loss of differences of logits.

    .. math::
        L_D = -\mathbb{E}_{x,z} \log \sigma(D(x) - D(G(z))), \quad
        L_G = -\mathbb{E}_{x,z} \log \sigma(D(G(z)) - D(x))

    A discriminator that only guesses has a loss of :math:`\log 2 = 0.693` nats.

    References: Jolicoeur-Martineau 2018, arXiv:1807.00734; Huang et al. 2024, arXiv:2501.05441.
    """

    smoothable = False
    boundary = None  # only differences matter
    one_pass = False  # the derivatives by the two logits of a pair are opposite numbers
    ignores_shift = True

    def pair(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        r"""Compute the discriminator's loss.

        .. math:: -\mathbb{E} \log \sigma(D(x) - D(G(z)))

        Args:
            real: :math:`D(x)`, shape ``(N, 1)``.
            fake: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in nats, a scalar.
        """
        return ops.mean(ops.softplus(fake - real))  # -log sigmoid(x) = log(1 + exp(-x))

    def pair_generator(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        """Compute the generator's loss: the discriminator's with real and fake swapped."""
        return self.pair(ops, fake, real)
