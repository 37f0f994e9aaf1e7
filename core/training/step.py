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
from gandem.core.training.feed.augmentation import CONSISTENT, adapt_probability, disturb
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
from gandem.core.training.penalties import (
    gradient_penalty,
    lecam_penalty,
    mix_images,
    move_images,
    orthogonal_penalty,
    squared_distance,
    squared_slope,
)
from gandem.core.training.protocols import Loss, Played, Players
from gandem.core.training.top_rows import TopOps

__all__ = [
    "ADAPT",
    "METRICS",
    "PENALTY_FACTOR",
    "metric_names",
    "penalizes_gradients",
    "train_step",
]

METRICS = ("discriminator", "generator", "real_accuracy", "fake_accuracy")
"""The names of the scalars that every step reports."""
PENALTY_FACTOR = "penalty_factor"
"""The factor of gradient penalties, an input of the steps that compute them, if not all do."""
ADAPT = "adapt"
"""An input that is 1 in steps that adapt the probability of augmentation, 0 in others."""


def metric_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of the scalars that a step reports, in order.

    These are the :data:`METRICS`, ``penalty`` and ``class_loss`` if the loss has them,
    ``augment_probability`` if it is adapted, and the auxiliary networks.
    """
    loss = spec.loss
    names = [*METRICS]
    names += ["penalty"] if loss.has_penalty else []
    names += ["class_loss"] if loss.class_weight else []
    names += ["augment_probability"] if spec.training.augment.adaptive_target else []
    return (*names, *(player.name for player in spec.players if player.name not in METRICS))


def penalizes_gradients(spec: Spec, inputs: Mapping[str, Tensor]) -> bool:
    """Return True if a step with these inputs computes the gradient penalties of its spec."""
    return spec.loss.penalty_interval == 1 or PENALTY_FACTOR in inputs


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
            classes) for round i; ``mix/i`` (N, 1, 1, 1) for a gradient penalty, and ``shift/i`` (N,
            H, W, C) for one near real images; :data:`PENALTY_FACTOR` and :data:`ADAPT`;
            ``noise/generator`` if the generator gets fresh noise, and ``label/generator`` if it
            gets several batches of it; ``schedule/loss.r1`` (), … for each schedule of the spec,
            see :meth:`gandem.core.training.feed.inputs.Feed.scheduled`; and the arrays of
            augmentation and instance noise, see
            :func:`gandem.core.training.feed.augmentation.disturbance_shapes`.

    Returns:
        The :func:`metric_names`, in order: ``discriminator`` and ``generator``, the losses, the
        generator's including those of auxiliary networks; ``real_accuracy`` and
        ``fake_accuracy``, the shares of the last round that the discriminator classified
        correctly; ``penalty``, the sum of all penalties with their weights, of which gradient
        penalties may be those of an earlier step; ``class_loss``, the cross-entropy of the real
        images of the last round, in nats; ``augment_probability`` for the next step; then the loss
        of each auxiliary network before its update.
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
        if spec.loss.orthogonal:
            penalty = orthogonal_penalty(ops, players.kernels("generator"))
            total = total + discriminator.loss.orthogonal * penalty
        return total, {}

    g_loss, _ = players.learn("generator", compute_loss, through=fake)
    if training.averages:
        decay = inputs.get("schedule/training.ema_decay")
        players.average("generator", training.average_decay() if decay is None else decay)
    report = {**report, **discriminator.adapt(report["real_accuracy"])}
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


def _add(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the sum of two terms of a loss, each of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


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
        self.probability = self.training.augment.probability
        if spec.training.augment.adaptive_target:
            self.probability = players.get_running("augment_probability")
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
            images = {
                "real": self._disturb(self.inputs[f"real/{i}"], f"real/{i}"),
                "fake": self._disturb(fake.value, f"fake/{i}"),
            }
            real, made = map(self._pack, images.values())
            halves, logits, report = self._halves(real, made, label)
            slopes = self._gradient_penalty(i, real, made, label)
            rest = self._logit_penalty(i, images, logits, label)
            is_scaled = PENALTY_FACTOR in self.inputs
            penalty = _add(self.inputs[PENALTY_FACTOR] * slopes if is_scaled else slopes, rest)
            parts = {"halves": halves, "slopes": slopes, "rest": rest, "penalty": penalty}
            report |= {name: part for name, part in parts.items() if part is not None}
            return _add(halves, penalty), report

        skips = bool(training.discriminator_skip_below)
        floor = self.training.discriminator_skip_below if skips else None
        value, report = self.players.learn("discriminator", loss, floor=floor)
        if training.weight_clip:
            self.players.clip("discriminator", self.training.weight_clip)
        return self._update_running(value, report)

    def _update_running(
        self, value: Tensor, report: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Update the running numbers of the loss; return the value and the scalars to report.

        If gradient penalties are not computed in each step, the last one stands for those of the
        steps without.
        """
        players, decay = self.players, self.loss.lecam_decay
        if self.spec.loss.lecam:
            for name in ("real_logits", "fake_logits"):
                average = decay * players.get_running(name) + (1.0 - decay) * report[name]
                players.set_running(name, average)
        if self.spec.loss.penalty_interval > 1:
            if "slopes" in report:
                players.set_running("penalty", report["slopes"])
            penalty = players.get_running("penalty") + report.get("rest", 0.0)
            value, report = report["halves"] + penalty, {**report, "penalty": penalty}
        return value, report

    def adapt(self, real_accuracy: Tensor) -> dict[str, Tensor]:
        """Adapt the probability of augmentation, if it is adaptive, and return it."""
        players = self.players
        if not self.spec.training.augment.adaptive_target:
            return {}
        signs = players.get_running("real_signs") + (2.0 * real_accuracy - 1.0)
        is_due = self.inputs[ADAPT]
        probability = adapt_probability(self.ops, self.spec, self.probability, signs, is_due)
        players.set_running("real_signs", (1.0 - is_due) * signs)
        players.set_running("augment_probability", probability)
        return {"augment_probability": probability}

    def compute_generator_loss(self, fake: Played, label: Mapping[str, Tensor]) -> Tensor:
        """Compute the generator's loss, inside a :data:`Loss`."""
        made = self._pack(self._disturb(fake.value, "generator"))
        if is_paired(self.rule):
            rule = cast(PairedLoss, self.rule)
            last = self.spec.training.discriminator_steps - 1
            real = self._pack(self._disturb(self.inputs[f"real/{last}"], "real/generator"))
            real_output, output = self._apply_both(real, made, label)
            loss = rule.pair_generator(self.ops, self._logits(real_output), self._logits(output))
        else:
            output = self._apply(made, label)
            logits = self._logits(output)
            takes_all = self.spec.loss.top_k == 1.0
            ops = self.ops if takes_all else TopOps(self.ops, logits, self.loss.top_k)
            loss = self.rule.generator(ops, logits)
        if self.classifies:
            loss = loss + self.loss.class_weight * self._class_loss(output, label)
        return loss

    def _disturb(self, images: Tensor, where: str) -> Tensor:
        return disturb(self.ops, images, self.inputs, where, self.probability)

    def _pack(self, images: Tensor) -> Tensor:
        return images if self.training.pac == 1 else self.ops.pack(images, self.training.pac)

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
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Return the loss on real and fake images, their logits, and the scalars to report."""
        loss = self.spec.loss
        real_output, fake_output = self._apply_both(real, made, label)
        real_logits, fake_logits = self._logits(real_output), self._logits(fake_output)
        target = 1.0 - self.loss.label_smoothing
        total = compute_discriminator_loss(self.rule, self.ops, real_logits, fake_logits, target)
        report = self._accuracies(real_logits, fake_logits)
        if self.classifies:
            class_loss = self._class_loss(real_output, label)
            both = class_loss + self._class_loss(fake_output, label)
            total = total + self.loss.class_weight * both
            report["class_loss"] = class_loss
        if loss.lecam:
            report["real_logits"] = self.ops.mean(real_logits)
            report["fake_logits"] = self.ops.mean(fake_logits)
        logits = {"real": real_logits, "fake": fake_logits}
        return total if loss.halves == "sum" else 0.5 * total, logits, report

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

    def _gradient_penalty(
        self, i: int, real: Tensor, made: Tensor, label: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return the sum of the weighted gradient penalties; each takes a pass of its own."""
        ops, loss, penalty = self.ops, self.spec.loss, None
        if not penalizes_gradients(self.spec, self.inputs):
            return None
        if loss.gradient_penalty:
            mix = self.inputs[f"mix/{i}"]  # (N, 1, 1, 1)
            if loss.gradient_penalty_points == "between":
                points = mix_images(real, made, mix)
            else:
                points = move_images(ops, real, mix, self.inputs[f"shift/{i}"])
            slope = self.players.slope("discriminator", image=points, **self._read(label))
            distance = gradient_penalty(ops, slope, self.loss.gradient_penalty_norm)
            penalty = self.loss.gradient_penalty * distance
        for name, images in (("r1", real), ("r2", made)):
            if getattr(loss, name):
                slope = self.players.slope("discriminator", image=images, **self._read(label))
                penalty = _add(penalty, getattr(self.loss, name) * squared_slope(ops, slope))
        return penalty

    def _logit_penalty(
        self,
        i: int,
        images: Mapping[str, Tensor],
        logits: Mapping[str, Tensor],
        label: Mapping[str, Tensor],
    ) -> Tensor | None:
        """Return the sum of the weighted penalties on logits; consistency takes passes of its own.

        Args:
            images: ``real`` and ``fake``, as the discriminator saw them, not packed.
        """
        ops, loss, penalty = self.ops, self.spec.loss, None
        if loss.lecam:
            averages = map(self.players.get_running, ("real_logits", "fake_logits"))
            penalty = self.loss.lecam * lecam_penalty(ops, *logits.values(), *averages)
        for side in ("real", "fake"):
            if getattr(loss.consistency, side):
                changed = disturb(ops, images[side], self.inputs, f"{CONSISTENT}{side}/{i}")
                output = self._apply(self._pack(changed), label)
                distance = squared_distance(ops, logits[side], self._logits(output))
                penalty = _add(penalty, getattr(self.loss.consistency, side) * distance)
        return penalty
