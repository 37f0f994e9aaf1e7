"""The loss of InfoGAN: non-saturating, and a lower bound of the information about a latent code.

A part of the noise is a code. A third network, the recognizer, predicts it from the image, and the
generator learns to make that possible, so the code describes what images show.
"""

from collections.abc import Mapping

from gandem.core.errors import SpecError
from gandem.core.specs import Shape
from gandem.core.training import Ops, Tensor
from gandem.losses.non_saturating import NonSaturating


class InfoGAN(NonSaturating):
    r"""Generator and recognizer maximize a lower bound of the mutual information of code and image.

    .. math::
        I(c; G(z, c)) \ge L_I(G, Q) = \mathbb{E}_{c,\, x = G(z, c)} \log Q(c \mid x) + H(c), \quad
        \min_{G, Q} \max_D V(D, G) - \lambda L_I(G, Q)

    The recognizer Q returns the logits of a category, and for each number of the code the mean of
    a Gaussian of variance 1, so :math:`-\log Q` is a cross-entropy and half a squared distance.
    The constants H(c) and of the Gaussian are left out: a recognizer that only guesses one of 10
    categories has a loss of :math:`\log 10 = 2.303` nats, one that is always right and certain 0.

    λ is 1 for the category and 0.1 for the code, as in the authors' program for MNIST, which also
    fixes the variance. The recognizer is updated before the generator, which then minimizes the
    loss of the updated recognizer; in the paper both are updated at once.

    References: Chen et al. 2016, equations 5 and 6, arXiv:1606.03657;
    github.com/openai/InfoGAN, ``launchers/run_mnist_exp.py``.
    """

    auxiliaries = ("recognizer",)

    category_weight = 1.0
    code_weight = 0.1

    def auxiliary_shape(self, player: str, inputs: Mapping[str, Shape]) -> Shape:
        """Return (categories + codes,).

        Raises:
            SpecError: the noise contains no code.
        """
        units = sum(inputs[name][0] for name in ("category", "code") if name in inputs)
        if not units:
            raise SpecError(
                "loss: there is no latent code to recognize; set latent.categories or latent.codes."
            )
        return (units,)

    def auxiliary(
        self, ops: Ops, player: str, output: Tensor, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        r"""Compute :math:`-\lambda \log Q(c \mid x)` without its constants.

        Args:
            output: logits and means, shape ``(N, categories + codes)``.
            inputs: the true ``category``, shape ``(N, categories)``, and ``code``, ``(N, codes)``.

        Returns:
            The batch mean, in nats, a scalar.
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
