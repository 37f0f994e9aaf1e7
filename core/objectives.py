"""Adversarial objectives, written once over the few tensor functions that every backend has.

Logits in, scalars out.  The discriminator returns logits everywhere in gandem, so no objective ever
sees a probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gandem.core.training.contract import Ops, Tensor

__all__ = ["Hinge", "LeastSquares", "Minimax", "NonSaturating", "ObjectiveRule"]


class ObjectiveRule(Protocol):
    """The losses of the two players.  A third party's objective is a class of this form."""

    smoothable: bool
    """Whether one-sided label smoothing means anything for it."""

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return the discriminator's loss on reals; ``target`` is 1 less the label smoothing."""

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the discriminator's loss on fake images."""

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the generator's loss, from the discriminator's logits of its fakes."""


class Minimax:
    r"""The two-player game of the first paper.

    .. math::
        \min_G \max_D \; \mathbb{E}_x \log \sigma(D(x)) + \mathbb{E}_z \log(1 - \sigma(D(G(z))))

    Reference: Goodfellow et al. 2014, equation 1, arXiv:1406.2661.
    """

    smoothable = True

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return -t·log σ(x) - (1-t)·log(1-σ(x)), the batch mean in nats, for logits (N, 1) and
        target t.
        """
        loss = ops.mean(ops.softplus(-logits))  # -log sigmoid(x) = log(1 + exp(-x))
        return loss if target == 1.0 else loss + (1.0 - target) * ops.mean(logits)

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return -log(1 - σ(x)), the batch mean in nats, for logits (N, 1)."""
        return ops.mean(ops.softplus(logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return log(1 - σ(x)), the batch mean in nats: its gradient vanishes while the
        discriminator wins.
        """
        return -ops.mean(ops.softplus(logits))


class NonSaturating(Minimax):
    r"""The same discriminator; a generator loss that keeps its gradient while the discriminator
    wins.

    .. math:: L_G = -\mathbb{E}_z \log \sigma(D(G(z)))

    Reference: Goodfellow et al. 2014, section 3, arXiv:1406.2661.
    """

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return -log σ(x), the batch mean in nats, for logits (N, 1)."""
        return ops.mean(ops.softplus(-logits))


class LeastSquares:
    r"""Squared distance to targets on the logits: real b = 1 (less smoothing), fake a = 0,
    generator c = 1.

    .. math:: L_D = \tfrac12 \mathbb{E}(D(x) - b)^2 + \tfrac12 \mathbb{E}(D(G(z)) - a)^2, \quad
              L_G = \tfrac12 \mathbb{E}(D(G(z)) - c)^2

    Reference: Mao et al. 2016, equation 2, arXiv:1611.04076.
    """

    smoothable = True

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return ½ mean (x - target)², for logits (N, 1)."""
        return 0.5 * ops.mean(ops.square(logits - target))

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return ½ mean x², for logits (N, 1)."""
        return 0.5 * ops.mean(ops.square(logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return ½ mean (x - 1)², for logits (N, 1)."""
        return 0.5 * ops.mean(ops.square(logits - 1.0))


class Hinge:
    r"""Margins of 1 for the discriminator, the plain score for the generator.

    .. math::
        L_D = \mathbb{E}\max(0, 1 - D(x)) + \mathbb{E}\max(0, 1 + D(G(z))), \quad
        L_G = -\mathbb{E} D(G(z))

    References: Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, equation 17, arXiv:1802.05957.
    """

    smoothable = False

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return mean max(0, 1 - x), for logits (N, 1); ``target`` is always 1."""
        return ops.mean(ops.relu(1.0 - logits))

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return mean max(0, 1 + x), for logits (N, 1)."""
        return ops.mean(ops.relu(1.0 + logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return -mean x, for logits (N, 1)."""
        return -ops.mean(logits)
