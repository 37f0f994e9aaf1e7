"""A GAN with a third player for gandem: a classifier of the category that an image was made from.

It is the categorical half of InfoGAN (Chen et al. 2016, arXiv:1606.03657), on the networks of
``mlp-gan``. Importing this module imports no framework.
"""

from collections.abc import Mapping
from dataclasses import replace

import gandem
from gandem import Entry, hookimpl
from gandem.core.errors import SpecError
from gandem.core.specs import Dense, Latent, Loss, Shape, Spec
from gandem.core.training import Ops, Tensor
from gandem.losses.non_saturating import NonSaturating

PAPER = "Chen et al. 2016, arXiv:1606.03657"


class Category(NonSaturating):
    """The non-saturating loss, and the cross-entropy of the category of the noise.

    gandem trains the classifier on fake images, and the generator on its own loss plus that of
    the classifier.
    """

    auxiliaries = ("classifier",)

    def auxiliary_shape(self, player: str, inputs: Mapping[str, Shape]) -> Shape:
        """Return (categories,), the output shape of the classifier."""
        if "category" not in inputs:
            raise SpecError("loss: there is no category to classify; set latent.categories.")
        return inputs["category"]

    def auxiliary(
        self, ops: Ops, player: str, output: Tensor, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the cross-entropy of logits (N, categories), the batch mean in nats."""
        return ops.cross_entropy(output, inputs["category"])


def category_gan(*, latent: int = 64, categories: int = 10, units: int = 128) -> Spec:
    """Return ``mlp-gan`` with a category in the noise and a classifier.

    Args:
        latent: size of the noise, including the category.
        categories: number of categories.
        units: of the hidden layers; the generator has one more layer of twice as many.
    """
    plain = gandem.spec(
        "mlp-gan", latent=latent, hidden=[units, 2 * units], discriminator_hidden=[units, units]
    )
    discriminator = plain.player("discriminator")
    layers = (*discriminator.layers[:-1], Dense(units=categories))
    return replace(
        plain,
        name="example/category-gan",
        latent=Latent(size=latent, categories=categories),
        loss=Loss(name="example/category", halves="mean"),
        players=(*plain.players, replace(discriminator, name="classifier", layers=layers)),
    )


@hookimpl
def gandem_models() -> list[Entry]:
    return [
        Entry(
            id="example/category-gan",
            target="gandem_infogan:category_gan",
            title="mlp-gan whose images show the category of their noise",
            paper=PAPER,
            small={"latent": 24, "units": 32},
        )
    ]


@hookimpl
def gandem_losses() -> list[Entry]:
    return [
        Entry(
            id="example/category",
            target="gandem_infogan:Category",
            title="non-saturating, and the cross-entropy of the category of the noise",
            paper=PAPER,
        )
    ]
