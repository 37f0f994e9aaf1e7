"""The protocol of a loss, and loading the loss that a spec names.

The losses themselves are in :mod:`gandem.losses` and in plugins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, cast

from gandem.core.errors import SpecError, suggest
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.plugins.registry import registry
from gandem.core.specs import Loss, Shape, Spec, input_shapes, plan_spec
from gandem.core.training.ops import Ops, Tensor

__all__ = [
    "AdversarialLoss",
    "AuxiliaryLoss",
    "allows_one_pass",
    "auxiliary_players",
    "check_loss",
    "check_players",
    "decision_boundary",
    "load_loss",
    "resolve_loss",
]


class AdversarialLoss(Protocol):
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


REQUIRED = ("smoothable", "real", "fake", "generator")
"""The attributes that every loss has."""


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
    if missing := find_missing(loss, REQUIRED):
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
    check_players(spec.name, plans, loss)
    inputs = input_shapes(spec)
    del inputs["image"]
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


def check_players(name: str, players: Collection[str], loss: AdversarialLoss) -> None:
    """Check that the players of a spec are those that its loss trains.

    Args:
        name: of the spec.
        players: the names of its players.

    Raises:
        SpecError: a player is missing, or nothing would train it.
    """
    trained = ("generator", "discriminator", *auxiliary_players(loss))
    for player in players:
        if player not in trained:
            raise SpecError(
                f"Nothing trains the player {player!r}: the loss of {name!r} trains "
                f"{', '.join(trained)}. Remove the player, or choose a loss that trains it."
            )
    for player in trained:
        if player not in players:
            near = suggest(player, players)
            raise SpecError(f"The loss of {name!r} needs a player {player!r}.{near}")
