"""The protocol of a loss, and loading the loss that a spec names.

The losses themselves are in :mod:`gandem.losses` and in plugins.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Protocol, cast

from gandem.core.errors import SpecError, suggest
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import registry
from gandem.core.specs import (
    Loss,
    NetworkPlan,
    Shape,
    Spec,
    has_encoder,
    input_shapes,
    is_image,
    plan_spec,
)
from gandem.core.training.ops import Ops, Tensor

__all__ = [
    "AdversarialLoss",
    "AuxiliaryLoss",
    "PairedLoss",
    "allows_one_pass",
    "auxiliary_players",
    "check_loss",
    "check_players",
    "compute_discriminator_loss",
    "decision_boundary",
    "is_paired",
    "load_loss",
    "resolve_loss",
]


class AdversarialLoss(Hashable, Protocol):
    """The losses of generator and discriminator, written over the tensor functions of :class:`Ops`.

    A loss is a class of this form without parameters. The discriminator returns logits, so no loss
    ever sees a probability. A loss with auxiliary networks has the form :class:`AuxiliaryLoss`.
    """

    smoothable: bool
    """True if the loss has a target that label smoothing can change."""

    @property
    def boundary(self) -> float | None:
        """The logit above which an image is classified as real; None for a critic, whose scores
        have no such point. May be left out if it is 0.
        """

    @property
    def one_pass(self) -> bool:
        """True if the discriminator may see real and fake images in one pass, which is faster, if
        no layer depends on the batch. May be left out if False.

        It must be False if the derivatives of ``real`` and ``fake`` can be opposite numbers, as
        those of a critic are: a weight that adds the same to both scores then has a gradient of
        exactly 0 after two passes but of rounding errors after one, which Adam turns into steps.
        """

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return the discriminator's loss on real images; ``target`` is 1 minus label smoothing."""

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the discriminator's loss on fake images."""

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the generator's loss from the discriminator's logits of its images."""


class PairedLoss(Protocol):
    """The losses of a GAN whose players compare real with fake images, as in a relativistic GAN.

    It takes the place of :class:`AdversarialLoss`: the discriminator minimizes :meth:`pair`, the
    generator :meth:`pair_generator`. For the latter the discriminator sees the real images of its
    last update again, with its weights after that update.

    Reference: Jolicoeur-Martineau 2018, arXiv:1807.00734.
    """

    smoothable: bool
    """False, unless the loss has a target that label smoothing can change."""

    @property
    def boundary(self) -> float | None:
        """See :class:`AdversarialLoss`; None if only the differences of logits matter."""

    @property
    def one_pass(self) -> bool:
        """See :class:`AdversarialLoss`; may be left out if False."""

    @property
    def ignores_shift(self) -> bool:
        """True if adding a number to all logits does not change the losses. The discriminator's
        last layer can then have no bias, since the gradient of that bias would be pure rounding
        error. May be left out if False.
        """

    def pair(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss from the logits (N, 1) of real and fake images."""

    def pair_generator(self, ops: Ops, real: Tensor, fake: Tensor) -> Tensor:
        """Return the generator's loss from the logits (N, 1) of real and fake images."""


class AuxiliaryLoss(AdversarialLoss, Protocol):
    """The losses of a GAN with auxiliary networks, like the recognizer of InfoGAN.

    An auxiliary network sees only fake images, and is updated right before the generator. The
    generator then minimizes its own loss plus the losses of all auxiliary networks.

    The inputs of the generator are known by name: ``noise`` (latent,), ``label`` (classes,), and
    the parts of a latent code, ``category`` (categories,) and ``code`` (codes,).

    Reference: Chen et al. 2016, arXiv:1606.03657.
    """

    auxiliaries: tuple[str, ...]
    """The names of the auxiliary networks, in the order of their updates."""

    def auxiliary_shape(self, player: str, inputs: Mapping[str, Shape]) -> Shape:
        """Return the output shape that an auxiliary network must have, without the batch axis.

        Args:
            inputs: the shapes of the generator's inputs, without the batch axis.

        Raises:
            SpecError: an input that the loss needs is missing.
        """

    def auxiliary(
        self, ops: Ops, player: str, output: Tensor, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the loss of an auxiliary network, a scalar, with its weight for the generator.

        Args:
            output: of the auxiliary network for the fake images, batch first.
            inputs: of the generator, batch first.
        """


def decision_boundary(loss: AdversarialLoss) -> float | None:
    """Return the logit above which a loss classifies an image as real; None for a critic."""
    return getattr(loss, "boundary", 0.0)


def is_paired(loss: AdversarialLoss) -> bool:
    """Return True if a loss compares real with fake images; see :class:`PairedLoss`."""
    return hasattr(loss, "pair")


def compute_discriminator_loss(
    loss: AdversarialLoss, ops: Ops, real: Tensor, fake: Tensor, target: float
) -> Tensor:
    """Return the discriminator's loss from the logits (N, 1) of real and fake images, a scalar.

    Args:
        target: 1 minus label smoothing.
    """
    if is_paired(loss):
        return cast(PairedLoss, loss).pair(ops, real, fake)
    return loss.real(ops, real, target) + loss.fake(ops, fake)


def allows_one_pass(loss: AdversarialLoss) -> bool:
    """Return True if the discriminator may see real and fake images in one pass."""
    return bool(getattr(loss, "one_pass", False))


def auxiliary_players(loss: AdversarialLoss) -> tuple[str, ...]:
    """Return the names of the auxiliary networks of a loss."""
    return tuple(getattr(loss, "auxiliaries", ()))


# --- loading ---------------------------------------------------------------------------------


def resolve_loss(spec: Spec) -> AdversarialLoss:
    """Load the loss that a spec names, and check that spec and loss fit.

    Raises:
        NotFoundError: there is no such loss.
        SpecError: the spec and the loss do not fit.
    """
    loss = load_loss(spec.loss)
    check_loss(spec, loss)
    return loss


def load_loss(chosen: Loss) -> AdversarialLoss:
    """Load the loss that ``spec.loss`` names.

    Raises:
        NotFoundError: there is no such loss.
        SpecError: it is not a loss, or has no target that label smoothing could change.
    """
    entry = registry().find("losses", chosen.name)
    loss: AdversarialLoss = import_target(entry)()
    methods = ("pair", "pair_generator") if is_paired(loss) else ("real", "fake", "generator")
    if missing := find_missing(loss, ("smoothable", *methods)):
        raise SpecError(f"The {entry.full_name} is not a loss: {missing}.")
    if chosen.label_smoothing and not loss.smoothable:
        raise SpecError(
            f"loss.label_smoothing: the loss {entry.id!r} has no target to smooth; expected 0."
        )
    return loss


def check_loss(spec: Spec, loss: AdversarialLoss) -> None:
    """Check that a spec has the players of its loss, and that their outputs have its shapes.

    Raises:
        SpecError: naming the player or the layer that does not fit.
    """
    plans = plan_spec(spec)
    check_players(spec, loss)
    if spec.training.augment.adaptive_target and decision_boundary(loss) is None:
        raise SpecError(
            f"training.augment.adaptive_target: the loss {spec.loss.name!r} has no logit above "
            "which an image is classified as real; set it to 0, or choose another loss."
        )
    if is_paired(loss):
        _check_paired(spec, loss, plans["discriminator"])
    inputs = input_shapes(spec)
    inputs = {name: shape for name, shape in inputs.items() if not is_image(name)}
    inputs |= {name: (part.stop - part.start,) for name, part in spec.latent.parts.items()}
    for player in auxiliary_players(loss):
        if missing := find_missing(loss, ("auxiliary_shape", "auxiliary")):
            raise SpecError(f"The loss {spec.loss.name!r} has a player {player!r}, but {missing}.")
        expected = cast(AuxiliaryLoss, loss).auxiliary_shape(player, inputs)
        last = plans[player].nodes[-1]
        if last.output_shape != expected:
            raise SpecError(
                f"{last.path}: the output of {player} has shape {last.output_shape}, the loss "
                f"{spec.loss.name!r} expects {expected}; change the layers or the latent code."
            )


def _check_paired(spec: Spec, loss: AdversarialLoss, plan: NetworkPlan) -> None:
    """Check that each fake image has a real one, and that the last layer has a gradient."""
    batches = spec.training.generator_batches
    if batches > 1:
        raise SpecError(
            f"training.generator_batches: the loss {spec.loss.name!r} compares as many real as "
            f"fake images, and the generator gets {batches} batches of fake images for one of real "
            "images; set training.generator_batches = 1."
        )
    if spec.loss.top_k != 1.0:
        raise SpecError(
            f"loss.top_k: the loss {spec.loss.name!r} compares each fake image with a real one; "
            "set loss.top_k = 1."
        )
    last = next((node for node in reversed(plan.nodes) if not node.layer.keeps_range), None)
    ignores_shift = getattr(loss, "ignores_shift", False) and not spec.loss.lecam
    if ignores_shift and last is not None and getattr(last.layer, "bias", False):
        raise SpecError(
            f"{last.path}: the loss {spec.loss.name!r} depends on differences of logits, so the "
            "gradient of this bias is 0 and an optimizer would amplify its rounding errors; set "
            f"discriminator.layers.{plan.nodes.index(last)}.bias = false."
        )


def check_players(spec: Spec, loss: AdversarialLoss) -> None:
    """Check that the players of a spec are those that its loss trains.

    Raises:
        SpecError: a player is missing, or nothing would train it.
    """
    name, players = spec.name, [player.name for player in spec.players]
    encoder = ("encoder",) if has_encoder(spec) else ()
    trained = ("generator", "discriminator", *encoder, *auxiliary_players(loss))
    for player in players:
        if player not in trained:
            remedy = "choose a loss that trains it"
            if player == "encoder":
                remedy = "let the discriminator read the noise, as in bigan"
            raise SpecError(
                f"Nothing trains the player {player!r}: the loss of {name!r} trains "
                f"{', '.join(trained)}. Remove the player, or {remedy}."
            )
    for player in trained:
        if player not in players:
            near = suggest(player, players)
            raise SpecError(f"The loss of {name!r} needs a player {player!r}.{near}")
