"""A loss: the logistic loss for the discriminator, a squared distance for the generator."""

from gandem.core.training import Ops, Tensor


class Example:
    r"""See :class:`gandem.core.training.AdversarialLoss`.

    .. math::
        L_D = -\mathbb{E}_x \log \sigma(D(x)) - \mathbb{E}_z \log(1 - \sigma(D(G(z)))), \quad
        L_G = \tfrac12 \mathbb{E}_z (D(G(z)) - 1)^2
    """

    smoothable = False  # True if ``real`` uses its target
    boundary = 0.0  # the logit above which an image is classified as real
    one_pass = True  # the discriminator may see real and fake images in one batch

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return the discriminator's loss on real images, in nats; logits have shape (N, 1)."""
        return ops.mean(ops.softplus(-logits))

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the discriminator's loss on fake images, in nats."""
        return ops.mean(ops.softplus(logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the generator's loss, in squared logits."""
        return 0.5 * ops.mean(ops.square(logits - 1.0))
