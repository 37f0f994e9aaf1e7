"""The loss of InfoGAN: the non-saturating game, and a third player who guesses the code."""

from collections.abc import Mapping

from gandem.core.errors import SpecError
from gandem.core.specs import Shape
from gandem.core.training import Ops, Tensor
from gandem.losses.non_saturating import NonSaturating


class InfoGAN(NonSaturating):
    r"""Generator and recognizer together maximize a lower bound of what an image tells of the
    latent code c that it was made from.

    .. math::
        I(c; G(z, c)) \ge L_I(G, Q) = \mathbb{E}_{c,\, x = G(z, c)} \log Q(c \mid x) + H(c), \quad
        \min_{G, Q} \max_D V(D, G) - \lambda L_I(G, Q)

    Q reads a category as softmax logits and each number of the code as the mean of a Gaussian of
    variance 1, so that -log Q is a cross-entropy, and half a squared distance plus a constant.  The
    paper lets Q find the variance too; the authors' own script for MNIST fixes it, as is done here.
    What does not depend on a network, the constant and H(c), is left out: a recognizer that knows
    nothing of 10 categories pays log 10 = 2.303 for them, one that is always right and sure pays 0.

    :math:`\lambda` is 1 for the category, as in the paper, which wants it smaller for a continuous
    code; 0.1 is usual.  For others subclass this one, and give it a row of its own.

    The recognizer learns first, then the generator from what the recognizer has become, as it does
    from the discriminator.  In the paper both follow the bound at once.

    References: Chen et al. 2016, equations 5 and 6, arXiv:1606.03657;
    github.com/openai/InfoGAN, ``launchers/run_mnist_exp.py``.
    """

    auxiliaries = ("recognizer",)

    category_weight = 1.0
    code_weight = 0.1

    def auxiliary_shape(self, player: str, inputs: Mapping[str, Shape]) -> Shape:
        """Return (categories + codes,)."""
        units = sum(inputs[name][0] for name in ("category", "code") if name in inputs)
        if not units:
            raise SpecError(
                "InfoGAN: there is no latent code to recognize; set latent.categories or "
                "latent.codes."
            )
        return (units,)

    def auxiliary(
        self, ops: Ops, player: str, output: Tensor, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """Return -λ·log Q(c|x) without its constants, the batch mean in nats, for the output (N,
        categories + codes) and the true ``category`` (N, categories) and ``code`` (N, codes).
        """
        losses, end = [], 0
        if "category" in inputs:
            end = inputs["category"].shape[1]
            loss = ops.cross_entropy(output[:, :end], inputs["category"])
            losses.append(self.category_weight * loss)
        if "code" in inputs:
            codes = inputs["code"].shape[1]
            error = ops.mean(ops.square(output[:, end:] - inputs["code"]))  # of N·codes numbers
            losses.append(self.code_weight * (0.5 * codes * error))
        return sum(losses)
