"""The training step, written once for all backends.

A backend supplies the players and the tensor functions, and may compile the step. The order of the
updates changes the result, so it is fixed here: the discriminator (real before fake), the auxiliary
networks of the loss, the encoder, the generator, its path length regularization, lookahead, the
weight averages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from gandem.core.specs import FADE_IN, Spec
from gandem.core.training.losses import AdversarialLoss, AuxiliaryLoss, auxiliary_players
from gandem.core.training.ops import Ops, Tensor
from gandem.core.training.protocols import Loss, Played, Players
from gandem.core.training.state import averaged_players
from gandem.core.training.updates.discriminator import Discriminator
from gandem.core.training.updates.path_length import regularize_path_length
from gandem.core.training.updates.penalties import orthogonal_penalty

__all__ = ["LOOKAHEAD", "METRICS", "metric_names", "train_step"]

METRICS = ("discriminator", "generator", "real_accuracy", "fake_accuracy")
"""The names of the scalars that every step reports."""
LOOKAHEAD = "lookahead"
"""The share of the way that is kept, an input of the steps in which the weights return."""


def metric_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of the scalars that a step reports, in order.

    These are the :data:`METRICS`, ``penalty``, ``path_length`` and ``class_loss`` if the loss has
    them, ``augment_probability`` if it is adapted, and the other networks.
    """
    loss = spec.loss
    names = [*METRICS]
    names += ["penalty"] if loss.has_penalty else []
    names += ["path_length"] if loss.path_length.weight else []
    names += ["class_loss"] if loss.class_weight else []
    names += ["augment_probability"] if spec.training.augment.adaptive_target else []
    return (*names, *(player.name for player in spec.players if player.name not in METRICS))


def train_step(
    spec: Spec,
    loss: AdversarialLoss,
    players: Players,
    ops: Ops,
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Make one step: ``discriminator_steps`` updates of the discriminator, one update of each
    auxiliary network, one of the encoder if there is one, one of the generator.

    An auxiliary network is updated on the fake images that the generator is updated on next. The
    generator minimizes its own loss plus those of the auxiliary networks after their update. The
    encoder is updated on the real images of the last round.

    Args:
        inputs: ``real/i`` (N, H, W, C), in lower resolutions ``real:8/i`` …, ``noise/i`` (N,
            latent) and, with classes, ``label/i`` (N, classes) for round i; ``mix/i`` (N, 1, 1, 1)
            for a gradient penalty, and ``shift/i`` (N, H, W, C), ``shift:8/i`` …, for one near
            real images; the factors of :class:`gandem.core.training.updates.due.Due`, and
            ``ADAPT`` of :mod:`gandem.core.training.updates.discriminator`; those of
            :func:`gandem.core.training.updates.path_length.regularize_path_length`;
            :data:`LOOKAHEAD`;
            ``noise/generator`` if the generator gets fresh noise, and ``label/generator`` if it
            gets several batches of it; ``fade_in`` (1, 1), if a network reads it;
            ``schedule/loss.r1`` (), … for each schedule of the spec, see
            :meth:`gandem.core.training.feed.inputs.Feed.scheduled`; and the arrays of
            augmentation and instance noise, see
            :func:`gandem.core.training.feed.augmentation.disturbance_shapes`.

    Returns:
        The :func:`metric_names`, in order: ``discriminator`` and ``generator``, the losses, the
        generator's including those of auxiliary networks; ``real_accuracy`` and
        ``fake_accuracy``, the shares of the last round that the discriminator classified
        correctly; ``penalty``, the sum of all penalties with their weights, of which gradient
        penalties may be those of an earlier step; ``path_length``, the running average of the
        generator's path lengths; ``class_loss``, the cross-entropy of the real images of the last
        round, in nats; ``augment_probability`` for the next step; then the loss of each other
        network before its update.
    """
    training = spec.training
    discriminator = Discriminator(spec, loss, players, ops, inputs)
    for i in range(training.discriminator_steps):
        label = {"label": inputs[f"label/{i}"]} if spec.classes else {}
        read = {"noise": inputs[f"noise/{i}"], **label, **discriminator.fade}
        learns = i == training.discriminator_steps - 1 and training.noise != "fresh"
        fake, encoded = players.play("generator", back=learns, **read), discriminator.encode(i)
        d_loss, report = discriminator.learn(i, fake, read, encoded)
    if training.noise == "fresh":
        read["noise"] = inputs["noise/generator"]
        if "label/generator" in inputs:
            read["label"] = inputs["label/generator"]
        fake = players.play("generator", **read)
    named = read | {name: read["noise"][:, part] for name, part in spec.latent.parts.items()}
    shared = {
        name: _auxiliary_loss(loss, players, ops, name, fake, named)
        for name in auxiliary_players(loss)
    }
    others = {name: players.learn(name, loss)[0] for name, loss in shared.items()}
    if encoded is not None:

        def compute_encoder_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
            return discriminator.compute_encoder_loss(fake, read, encoded), {}

        others["encoder"], _ = players.learn("encoder", compute_encoder_loss, through=encoded)

    def compute_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        total = discriminator.compute_generator_loss(fake, read, encoded)
        for auxiliary_loss in shared.values():
            total = total + auxiliary_loss()[0]
        if spec.loss.orthogonal:
            penalty = orthogonal_penalty(ops, players.kernels("generator"))
            total = total + discriminator.loss.orthogonal * penalty
        return total, {}

    g_loss, _ = players.learn("generator", compute_loss, through=fake)
    if spec.loss.path_length.weight:
        report = {**report, **regularize_path_length(spec, players, ops, inputs)}
    if LOOKAHEAD in inputs:
        for player in spec.players:
            players.look_back(player.name, inputs[LOOKAHEAD])
    for name in averaged_players(spec):
        decay = inputs.get("schedule/training.ema_decay")
        players.average(name, training.average_decay() if decay is None else decay)
    report = {**report, **discriminator.adapt(report["real_accuracy"])}
    scalars = {"discriminator": d_loss, "generator": g_loss, **report, **others}
    return {name: scalars[name] for name in metric_names(spec)}


def _auxiliary_loss(
    loss: AdversarialLoss,
    players: Players,
    ops: Ops,
    name: str,
    fake: Played,
    read: Mapping[str, Tensor],
) -> Loss:
    """Return the loss of an auxiliary network on fake images, which the generator minimizes too.

    Args:
        read: the inputs of the generator that gave these images, by name.
    """
    rule = cast(AuxiliaryLoss, loss)
    weight = {key: value for key, value in read.items() if key == FADE_IN}

    def compute_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        output = players.apply(name, **fake.value, **weight)
        return rule.auxiliary(ops, name, output, read), {}

    return compute_loss
