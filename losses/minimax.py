"""The minimax loss of the first GAN paper.

The discriminator minimizes the cross-entropy of a binary classifier of real and fake images; the
generator maximizes the part that depends on it.
"""

from gandem.core.training import Ops, Tensor


class Minimax:
    r"""The two-player game of the first paper.

    .. math::
        \min_G \max_D \; \mathbb{E}_x \log \sigma(D(x)) + \mathbb{E}_z \log(1 - \sigma(D(G(z))))

    If the discriminator only guesses, its loss is :math:`2 \log 2 = 1.386` nats.

    Reference: Goodfellow et al. 2014, equation 1, arXiv:1406.2661.
    """

    smoothable = True
    boundary = 0.0
    one_pass = True

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        r"""Compute the discriminator's loss on real images.

        .. math::
            -t \, \mathbb{E}_x \log \sigma(D(x)) - (1 - t) \, \mathbb{E}_x \log(1 - \sigma(D(x)))

        Args:
            logits: :math:`D(x)`, shape ``(N, 1)``.
            target: :math:`t`, the probability that the discriminator should give to real images.

        Returns:
            The batch mean, in nats, a scalar.
        """
        loss = ops.mean(ops.softplus(-logits))  # -log sigmoid(x) = log(1 + exp(-x))
        is_one = isinstance(target, float) and target == 1.0
        return loss if is_one else loss + (1.0 - target) * ops.mean(logits)

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the discriminator's loss on fake images.

        .. math:: -\mathbb{E}_z \log(1 - \sigma(D(G(z))))

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in nats, a scalar.
        """
        return ops.mean(ops.softplus(logits))  # -log(1 - sigmoid(x)) = log(1 + exp(x))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the generator's loss, whose gradient vanishes while the discriminator wins.

        .. math:: \mathbb{E}_z \log(1 - \sigma(D(G(z))))

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in nats, a scalar.
        """
        return -ops.mean(ops.softplus(logits))
