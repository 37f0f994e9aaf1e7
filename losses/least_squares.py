"""The least squares loss (LSGAN).

The discriminator is a regression: it learns to give 1 to real images and 0 to fake ones. Its
gradient does not vanish for images that are classified correctly but far from the target.
"""

from gandem.core.training import Ops, Tensor


class LeastSquares:
    r"""Squared distance of the logits to targets: real b = 1 (minus label smoothing), fake a = 0,
    generator c = 1.

    .. math::
        L_D = \tfrac12 \mathbb{E}_x (D(x) - b)^2 + \tfrac12 \mathbb{E}_z (D(G(z)) - a)^2, \quad
        L_G = \tfrac12 \mathbb{E}_z (D(G(z)) - c)^2

    Reference: Mao et al. 2016, equation 2, arXiv:1611.04076.
    """

    smoothable = True
    boundary = 0.5  # halfway between the targets
    one_pass = True

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        r"""Compute the discriminator's loss on real images.

        .. math:: \tfrac12 \mathbb{E}_x (D(x) - b)^2

        Args:
            logits: :math:`D(x)`, shape ``(N, 1)``.
            target: :math:`b`.

        Returns:
            The batch mean, in squared logits, a scalar.
        """
        return 0.5 * ops.mean(ops.square(logits - target))

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the discriminator's loss on fake images.

        .. math:: \tfrac12 \mathbb{E}_z D(G(z))^2

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in squared logits, a scalar.
        """
        return 0.5 * ops.mean(ops.square(logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the generator's loss.

        .. math:: \tfrac12 \mathbb{E}_z (D(G(z)) - 1)^2

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in squared logits, a scalar.
        """
        return 0.5 * ops.mean(ops.square(logits - 1.0))
