"""The training step, written once for all backends.

A backend supplies the players and the tensor functions, and may compile the step. The order of the
updates changes the result, so it is fixed here: the discriminator (real before fake), the auxiliary
networks of the loss, the generator, its weight average.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, cast

from gandem.core.specs import Spec, at_step, plan_spec
from gandem.core.training.feed.augmentation import disturb
from gandem.core.training.losses import (
    AdversarialLoss,
    AuxiliaryLoss,
    PairedLoss,
    allows_one_pass,
    auxiliary_players,
    compute_discriminator_loss,
    decision_boundary,
    is_paired,
)
from gandem.core.training.ops import Ops, Tensor
from gandem.core.training.penalties import gradient_penalty, r1
from gandem.core.training.protocols import Loss, Played, Players

__all__ = ["METRICS", "metric_names", "train_step"]

METRICS = ("discriminator", "generator", "real_accuracy", "fake_accuracy")
"""The names of the scalars that every step reports."""


def metric_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of the scalars that a step reports, in order.

    These are the :data:`METRICS`, ``penalty`` and ``class_loss`` if the loss has them, and the
    auxiliary networks.
    """
    loss = spec.loss
    names = [*METRICS]
    names += ["penalty"] if loss.gradient_penalty or loss.r1 else []
    names += ["class_loss"] if loss.class_weight else []
    return (*names, *(player.name for player in spec.players if player.name not in METRICS))


@functools.lru_cache(maxsize=64)
def can_share_pass(spec: Spec) -> bool:
    """Return True if one pass over real and fake images gives the same logits as two passes.

    Batch norm depends on the batch, spectral norm iterates once per pass, and what layers draw
    belongs to a pass, also in the generator.
    """
    plans = plan_spec(spec)
    if any(plan.drawing_nodes() for plan in plans.values()):
        return False
    return not any(
        node.layer.depends_on_batch or node.layer.has_spectral_norm
        for node in plans["discriminator"].walk()
    )


def train_step(
    spec: Spec,
    loss: AdversarialLoss,
    players: Players,
    ops: Ops,
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Make one step: ``discriminator_steps`` updates of the discriminator, one update of each
    auxiliary network, one of the generator.

    An auxiliary network is updated on the fake images that the generator is updated on next. The
    generator minimizes its own loss plus those of the auxiliary networks after their update.

    Args:
        inputs: ``real/i`` (N, H, W, C), ``noise/i`` (N, latent) and, with classes, ``label/i`` (N,
            classes) for round i; ``mix/i`` (N, 1, 1, 1) for a gradient penalty;
            ``noise/generator`` if the generator gets fresh noise, and ``label/generator`` if it
            gets several batches of it; ``schedule/loss.r1`` (), … for each schedule of the spec,
            see :meth:`gandem.core.training.feed.inputs.Feed.scheduled`; and the arrays of
            augmentation and instance noise, see
            :func:`gandem.core.training.feed.augmentation.disturbance_shapes`.

    Returns:
        The :func:`metric_names`, in order: ``discriminator`` and ``generator``, the losses, the
        generator's including those of auxiliary networks; ``real_accuracy`` and
        ``fake_accuracy``, the shares of the last round that the discriminator classified
        correctly; ``penalty``, with its weight; ``class_loss``, the cross-entropy of the real
        images of the last round, in nats; then the loss of each auxiliary network before its
        update.
    """
    training = spec.training
    discriminator = _Discriminator(spec, loss, players, ops, inputs)
    for i in range(training.discriminator_steps):
        label = {"label": inputs[f"label/{i}"]} if spec.classes else {}
        read = {"noise": inputs[f"noise/{i}"], **label}
        learns = i == training.discriminator_steps - 1 and training.noise != "fresh"
        fake = players.play("generator", back=learns, **read)
        d_loss, report = discriminator.learn(i, fake, label)
    if training.noise == "fresh":
        read["noise"] = inputs["noise/generator"]
        if "label/generator" in inputs:
            read["label"] = inputs["label/generator"]
        fake = players.play("generator", **read)
    label = {name: value for name, value in read.items() if name == "label"}
    read |= {name: read["noise"][:, part] for name, part in spec.latent.parts.items()}
    shared = {
        name: _auxiliary_loss(loss, players, ops, name, fake, read)
        for name in auxiliary_players(loss)
    }
    auxiliary = {name: players.learn(name, loss)[0] for name, loss in shared.items()}

    def compute_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        total = discriminator.compute_generator_loss(fake, label)
        for auxiliary_loss in shared.values():
            total = total + auxiliary_loss()[0]
        return total, {}

    g_loss, _ = players.learn("generator", compute_loss, through=fake)
    if training.averages:
        decay = inputs.get("schedule/training.ema_decay")
        players.average("generator", training.average_decay() if decay is None else decay)
    scalars = {"discriminator": d_loss, "generator": g_loss, **report, **auxiliary}
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

    def compute_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        output = players.apply(name, image=fake.value)
        return rule.auxiliary(ops, name, output, read), {}

    return compute_loss


class _Discriminator:
    """The discriminator within one step, and the losses of both players from its logits."""

    def __init__(
        self,
        spec: Spec,
        loss: AdversarialLoss,
        players: Players,
        ops: Ops,
        inputs: Mapping[str, Tensor],
    ) -> None:
        self.spec, self.rule, self.players, self.ops = spec, loss, players, ops
        self.inputs = inputs
        self.loss: Any = at_step(spec.loss, "loss", inputs)
        self.training: Any = at_step(spec.training, "training", inputs)
        self.classifies = bool(spec.loss.class_weight)
        self.joint = spec.training.passes == "joint" or (
            allows_one_pass(loss) and can_share_pass(spec)
        )

    def learn(
        self, i: int, fake: Played, label: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Update the discriminator once, on the real and fake images of one round."""
        training = self.spec.training

        def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
            real = self._disturb(self.inputs[f"real/{i}"], f"real/{i}")
            made = self._disturb(fake.value, f"fake/{i}")
            halves, report = self._halves(real, made, label)
            penalty = self._penalty(i, real, made, label)
            if penalty is None:
                return halves, report
            return halves + penalty, {**report, "penalty": penalty}

        skips = bool(training.discriminator_skip_below)
        floor = self.training.discriminator_skip_below if skips else None
        result = self.players.learn("discriminator", loss, floor=floor)
        if training.weight_clip:
            self.players.clip("discriminator", self.training.weight_clip)
        return result

    def compute_generator_loss(self, fake: Played, label: Mapping[str, Tensor]) -> Tensor:
        """Compute the generator's loss, inside a :data:`Loss`."""
        made = self._disturb(fake.value, "generator")
        if is_paired(self.rule):
            rule = cast(PairedLoss, self.rule)
            last = self.spec.training.discriminator_steps - 1
            real = self._disturb(self.inputs[f"real/{last}"], "real/generator")
            real_output, output = self._apply_both(real, made, label)
            loss = rule.pair_generator(self.ops, self._logits(real_output), self._logits(output))
        else:
            output = self._apply(made, label)
            loss = self.rule.generator(self.ops, self._logits(output))
        return (
            loss if not self.classifies else loss + self._weighted(self._class_loss(output, label))
        )

    def _disturb(self, images: Tensor, where: str) -> Tensor:
        return disturb(self.ops, images, self.inputs, where)

    def _apply(self, image: Tensor, label: Mapping[str, Tensor]) -> Tensor:
        return self.players.apply("discriminator", image=image, **self._read(label))

    def _read(self, label: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the labels that the discriminator reads: none if it predicts them."""
        return {} if self.classifies else label

    def _apply_both(
        self, real: Tensor, made: Tensor, label: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs for as many real and fake images, in one pass or in two."""
        if not self.joint:
            return self._apply(real, label), self._apply(made, label)
        both = {name: self.ops.join(value, value) for name, value in label.items()}
        output, rows = self._apply(self.ops.join(real, made), both), real.shape[0]
        return output[:rows], output[rows:]

    def _halves(
        self, real: Tensor, made: Tensor, label: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss on real and fake images, and the scalars to report."""
        loss = self.spec.loss
        real_output, fake_output = self._apply_both(real, made, label)
        real_logits, fake_logits = self._logits(real_output), self._logits(fake_output)
        target = 1.0 - self.loss.label_smoothing
        total = compute_discriminator_loss(self.rule, self.ops, real_logits, fake_logits, target)
        report = self._accuracies(real_logits, fake_logits)
        if self.classifies:
            class_loss = self._class_loss(real_output, label)
            total = total + self._weighted(class_loss + self._class_loss(fake_output, label))
            report["class_loss"] = class_loss
        return total if loss.halves == "sum" else 0.5 * total, report

    def _accuracies(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the shares of logits on the correct side of the decision boundary."""
        ops, boundary = self.ops, decision_boundary(self.rule)
        if boundary is None:  # a critic has none: the middle of the means
            boundary = 0.5 * (ops.mean(real) + ops.mean(fake))
        return {
            "real_accuracy": ops.mean(ops.positive(real - boundary)),
            "fake_accuracy": 1.0 - ops.mean(ops.positive(fake - boundary)),
        }

    def _class_loss(self, output: Tensor, label: Mapping[str, Tensor]) -> Tensor:
        """Return the cross-entropy of the class logits, which follow the first logit."""
        return self.ops.cross_entropy(output[:, 1:], label["label"])

    def _logits(self, output: Tensor) -> Tensor:
        """Return the logits of real against fake, without class logits."""
        return output[:, :1] if self.classifies else output

    def _weighted(self, loss: Tensor) -> Tensor:
        return self.loss.class_weight * loss

    def _penalty(
        self, i: int, real: Tensor, made: Tensor, label: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return the sum of the weighted gradient penalties; each takes a pass of its own."""
        ops, loss, penalty = self.ops, self.spec.loss, None
        if loss.gradient_penalty:
            mix = self.inputs[f"mix/{i}"]  # (N, 1, 1, 1)
            between = mix * real + (1.0 - mix) * made
            slope = self.players.slope("discriminator", image=between, **self._read(label))
            penalty = self.loss.gradient_penalty * gradient_penalty(ops, slope)
        if loss.r1:
            slope = self.players.slope("discriminator", image=real, **self._read(label))
            second = self.loss.r1 * r1(ops, slope)
            penalty = second if penalty is None else penalty + second
        return penalty
