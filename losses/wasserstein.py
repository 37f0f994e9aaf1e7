"""The Wasserstein loss (WGAN).

A critic replaces the discriminator: its scores are not logits of a probability. The difference of
its mean scores estimates the Wasserstein distance of real and generated images, as long as its
gradient is bounded. Limit it with ``training.weight_clip`` (WGAN) or ``loss.gradient_penalty``
(WGAN-GP); without a limit the scores grow without bound.
"""

from gandem.core.training import Ops, Tensor


class Wasserstein:
    r"""The difference of a critic's mean scores.

    .. math::
        L_D = \mathbb{E}_z D(G(z)) - \mathbb{E}_x D(x), \quad L_G = -\mathbb{E}_z D(G(z))

    References: Arjovsky, Chintala & Bottou 2017, equation 2 and algorithm 1, arXiv:1701.07875;
    Gulrajani et al. 2017, arXiv:1704.00028.
    """

    smoothable = False
    boundary = None  # scores have no zero
    one_pass = False  # the derivatives are -1 and 1

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        r"""Compute the critic's loss on real images.

        .. math:: -\mathbb{E}_x D(x)

        Args:
            logits: the scores :math:`D(x)`, shape ``(N, 1)``.
            target: always 1.

        Returns:
            The batch mean, in scores, a scalar.
        """
        return -ops.mean(logits)

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the critic's loss on fake images.

        .. math:: \mathbb{E}_z D(G(z))

        Args:
            logits: the scores :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in scores, a scalar.
        """
        return ops.mean(logits)

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the generator's loss.

        .. math:: -\mathbb{E}_z D(G(z))

        Args:
            logits: the scores :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in scores, a scalar.
        """
        return -ops.mean(logits)
