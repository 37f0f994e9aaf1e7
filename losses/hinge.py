"""The hinge loss, usually with spectral normalization in the discriminator.

Like a support vector machine, the discriminator learns only from images within its margin: real
images with logits below 1, fake ones with logits above -1.
"""

from gandem.core.training import Ops, Tensor


class Hinge:
    r"""Margins of 1 for the discriminator, the plain logits for the generator.

    .. math::
        L_D = \mathbb{E}_x \max(0, 1 - D(x)) + \mathbb{E}_z \max(0, 1 + D(G(z))), \quad
        L_G = -\mathbb{E}_z D(G(z))

    References: Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, equation 17, arXiv:1802.05957.
    """

    smoothable = False
    boundary = 0.0
    one_pass = False  # within the margin the derivatives are -1 and 1

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        r"""Compute the discriminator's loss on real images.

        .. math:: \mathbb{E}_x \max(0, 1 - D(x))

        Args:
            logits: :math:`D(x)`, shape ``(N, 1)``.
            target: always 1.

        Returns:
            The batch mean, in logits, a scalar.
        """
        return ops.mean(ops.relu(1.0 - logits))

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the discriminator's loss on fake images.

        .. math:: \mathbb{E}_z \max(0, 1 + D(G(z)))

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in logits, a scalar.
        """
        return ops.mean(ops.relu(1.0 + logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the generator's loss.

        .. math:: -\mathbb{E}_z D(G(z))

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in logits, a scalar.
        """
        return -ops.mean(logits)
