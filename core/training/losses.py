"""Adversarial losses, written once over the few tensor functions that every backend has.

Logits in, scalars out.  The discriminator returns logits everywhere in gandem, so no loss ever
sees a probability.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from gandem.core.errors import SpecError, suggest
from gandem.core.specs import Shape, Spec, input_shapes, plan_spec

if TYPE_CHECKING:
    from gandem.core.training.protocols import Ops, Tensor

__all__ = [
    "AdversarialLoss",
    "AuxiliaryLoss",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Wasserstein",
    "auxiliaries_of",
    "boundary_of",
    "check_players",
    "check_rule",
    "one_pass_of",
]


class AdversarialLoss(Protocol):
    """The losses of the two players.  A third party's loss is a class of this form; one that
    brings further players is of the form :class:`AuxiliaryLoss`.
    """

    smoothable: bool
    """Whether one-sided label smoothing means anything for it."""

    @property
    def boundary(self) -> float | None:
        """The logit above which an image counts as judged real; None where scores have no such
        point, as those of a critic.  May be left out where it is 0.
        """

    @property
    def one_pass(self) -> bool:
        """Whether the discriminator may judge real and fake images in one pass, which is faster,
        where no layer can tell.  May be left out where not.

        Not where the slopes of ``real`` and ``fake`` may be opposite numbers, as a critic's are: a
        weight that the scores of both depend on alike has the gradient g - g, which is exactly 0
        after two passes and rounding after one, and Adam makes steps of rounding.
        """

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return the discriminator's loss on reals; ``target`` is 1 less the label smoothing."""

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the discriminator's loss on fake images."""

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return the generator's loss, from the discriminator's logits of its fakes."""


class AuxiliaryLoss(AdversarialLoss, Protocol):
    """The losses of a game with further players, like the recognizer of InfoGAN (Chen et al. 2016,
    arXiv:1606.03657).

    A further player sees the generator's fakes and nothing else, and learns on them right before
    the generator does.  The generator then minimizes its own loss plus those of all further
    players: they play with it, not against it.

    What the generator has read is known here by name: ``noise`` (latent,); with classes ``label``
    (classes,); and what the noise holds of a latent code, ``category`` (categories,) and ``code``
    (codes,).
    """

    auxiliaries: tuple[str, ...]
    """The names of the further players, in the order in which they learn."""

    def auxiliary_shape(self, player: str, inputs: Mapping[str, Shape]) -> Shape:
        """Return the shape that the output of a further player must have, without the batch axis.

        Args:
            inputs: the shapes of what the generator reads, likewise.

        Raises:
            SpecError: something that the loss needs is not among them.
        """

    def auxiliary(
        self, ops: Ops, player: str, output: Tensor, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """Return the loss of a further player, a scalar, with the weight that it has for the
        generator.

        Args:
            output: what it made of the fakes, batch first.
            inputs: what the generator made them from, likewise.
        """


def boundary_of(rule: AdversarialLoss) -> float | None:
    """Return the logit above which an loss counts an image as judged real, if there is one."""
    return getattr(rule, "boundary", 0.0)


def one_pass_of(rule: AdversarialLoss) -> bool:
    """Say whether an loss lets real and fake images be judged in one pass."""
    return bool(getattr(rule, "one_pass", False))


def auxiliaries_of(rule: AdversarialLoss) -> tuple[str, ...]:
    """Return the names of the further players that an loss brings."""
    return tuple(getattr(rule, "auxiliaries", ()))


def check_players(name: str, players: Collection[str], rule: AdversarialLoss) -> None:
    """Raise a :class:`SpecError` unless somebody trains each player, and each is there.

    Args:
        name: the spec's.
        players: the names of its players.
    """
    trained = ("generator", "discriminator", *auxiliaries_of(rule))
    for player in players:
        if player not in trained:
            raise SpecError(
                f"Nobody would train the player {player!r}: the loss of {name!r} knows "
                f"{', '.join(trained)}; leave it out, or choose an loss that does."
            )
    for player in trained:
        if player not in players:
            near = suggest(player, players)
            raise SpecError(f"The loss of {name!r} wants a player {player!r}.{near}")


def check_rule(spec: Spec, rule: AdversarialLoss) -> None:
    """Raise a :class:`SpecError` unless a spec has the players that its loss knows, and no
    others, and each further one makes what the loss judges.
    """
    plans = plan_spec(spec)
    check_players(spec.name, plans, rule)
    read = input_shapes(spec)
    del read["image"]
    read |= {name: (part.stop - part.start,) for name, part in spec.latent.parts.items()}
    for player in auxiliaries_of(rule):
        for method in ("auxiliary_shape", "auxiliary"):
            if not hasattr(rule, method):
                raise SpecError(
                    f"The loss {spec.loss.name!r} brings a player {player!r} and has no {method!r}."
                )
        wanted = cast(AuxiliaryLoss, rule).auxiliary_shape(player, read)
        last = plans[player].nodes[-1]
        if last.output_shape != wanted:
            raise SpecError(
                f"{last.path}: the {player} ends in {last.output_shape}, the loss "
                f"{spec.loss.name!r} wants {wanted}; change the layers or the latent code."
            )


class Minimax:
    r"""The two-player game of the first paper.

    .. math::
        \min_G \max_D \; \mathbb{E}_x \log \sigma(D(x)) + \mathbb{E}_z \log(1 - \sigma(D(G(z))))

    Reference: Goodfellow et al. 2014, equation 1, arXiv:1406.2661.
    """

    smoothable = True
    boundary = 0.0
    one_pass = True

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
    boundary = 0.5
    one_pass = True

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
    boundary = 0.0
    one_pass = False  # within the margin the slopes are -1 and 1

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return mean max(0, 1 - x), for logits (N, 1); ``target`` is always 1."""
        return ops.mean(ops.relu(1.0 - logits))

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return mean max(0, 1 + x), for logits (N, 1)."""
        return ops.mean(ops.relu(1.0 + logits))

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return -mean x, for logits (N, 1)."""
        return -ops.mean(logits)


class Wasserstein:
    r"""The distance between real and fake scores of a critic, whose slopes are held to 1.

    .. math:: L_D = \mathbb{E} D(G(z)) - \mathbb{E} D(x), \quad L_G = -\mathbb{E} D(G(z))

    A critic that is not held grows without end: use it with ``training.weight_clip`` (Arjovsky et
    al. 2017, arXiv:1701.07875) or ``loss.gradient_penalty`` (Gulrajani et al. 2017,
    arXiv:1704.00028).
    """

    smoothable = False
    boundary = None
    one_pass = False

    def real(self, ops: Ops, logits: Tensor, target: float) -> Tensor:
        """Return -mean x, for scores (N, 1); ``target`` is always 1."""
        return -ops.mean(logits)

    def fake(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return mean x, for scores (N, 1)."""
        return ops.mean(logits)

    def generator(self, ops: Ops, logits: Tensor) -> Tensor:
        """Return -mean x, for scores (N, 1)."""
        return -ops.mean(logits)
