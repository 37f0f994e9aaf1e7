"""The non-saturating loss, which most GANs train with.

The discriminator is that of the minimax loss. The generator maximizes the probability that its
images are real, instead of minimizing the probability that they are fake: both have the same
optimum, but this gradient is large while the discriminator wins.
"""

from gandem.core.training import Ops, Tensor
from gandem.losses.minimax import Minimax


class NonSaturating(Minimax):
    r"""The minimax loss with a generator loss that keeps its gradient.

    .. math:: L_G = -\mathbb{E}_z \log \sigma(D(G(z)))

    Reference: Goodfellow et al. 2014, section 3, arXiv:1406.2661.
    """

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        r"""Compute the generator's loss.

        .. math:: -\mathbb{E}_z \log \sigma(D(G(z)))

        Args:
            logits: :math:`D(G(z))`, shape ``(N, 1)``.

        Returns:
            The batch mean, in nats, a scalar.
        """
        return ops.mean(ops.softplus(-logits))  # -log sigmoid(x) = log(1 + exp(-x))
