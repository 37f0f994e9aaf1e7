"""The training step, written once: a backend supplies the players and the tensor functions, and may
compile it.

Every choice is data in the spec.  Order matters by O(1) for the result, so it is fixed here:
discriminator first, real before fake, then further players of the loss, then the generator,
then its weight average.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import cast

from gandem.core.specs import BatchNorm, Spec, plan_spec
from gandem.core.training.augmentation import disturbed
from gandem.core.training.losses import (
    AdversarialLoss,
    AuxiliaryLoss,
    auxiliaries_of,
    boundary_of,
    one_pass_of,
)
from gandem.core.training.penalties import gradient_penalty, r1
from gandem.core.training.protocols import Loss, Ops, Played, Players, Tensor

__all__ = ["METRICS", "metric_names", "train_step"]

METRICS = ("discriminator", "generator", "real_accuracy", "fake_accuracy")
"""What every step reports, by name."""


def metric_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of what a step reports, in order: the :data:`METRICS`; ``penalty`` and
    ``class_loss`` where the loss has them; then the further players.
    """
    loss = spec.loss
    found = [*METRICS]
    found += ["penalty"] if loss.gradient_penalty or loss.r1 else []
    found += ["class_loss"] if loss.class_weight else []
    return (*found, *(player.name for player in spec.players if player.name not in METRICS))


@functools.lru_cache(maxsize=64)
def judges_one_by_one(spec: Spec) -> bool:
    """Say whether a discriminator judges each image as if it were alone, so that real and fake
    images in one pass, which is faster, are judged as in two.

    Batch norm looks at the batch, spectral norm goes on with every pass, and dropout's masks belong
    to a pass, the generator's too.
    """
    plans = plan_spec(spec)
    if any(plan.dropouts() for plan in plans.values()):
        return False
    return not any(
        isinstance(node.layer, BatchNorm) or getattr(node.layer, "spectral_norm", False)
        for node in plans["discriminator"].walk()
    )


def train_step(
    spec: Spec,
    loss: AdversarialLoss,
    players: Players,
    ops: Ops,
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Play one step: ``discriminator_steps`` updates of the discriminator, one of each further
    player and one of the generator.

    Further players learn on the fakes that the generator is about to learn on, and the generator
    minimizes its own loss plus theirs, as they judge after that update.

    Args:
        inputs: ``real/i`` (N, H, W, C), ``noise/i`` (N, latent) and, with classes, ``label/i`` (N,
            classes) for round i; ``mix/i`` (N, 1, 1, 1) for a gradient penalty;
            ``noise/generator`` where the generator learns on fresh noise, and ``label/generator``
            where on several batches of it; and what disturbs the images, see
            :func:`gandem.core.training.augmentation.disturbances`.

    Returns:
        The :func:`metric_names`, in order: ``discriminator`` and ``generator``, the losses in the
        loss's unit, the generator's with those that it shares; ``real_accuracy`` and
        ``fake_accuracy``, the shares of the last round that the discriminator judged rightly;
        ``penalty``, as weighted; ``class_loss``, the cross-entropy in nats of the classes of the
        last round's reals; then the loss of each further player before its update, under its name.
    """
    training = spec.training
    judge = _Judge(spec, loss, players, ops, inputs)
    for i in range(training.discriminator_steps):
        label = {"label": inputs[f"label/{i}"]} if spec.classes else {}
        read = {"noise": inputs[f"noise/{i}"], **label}
        learns = i == training.discriminator_steps - 1 and training.noise != "fresh"
        fake = players.play("generator", back=learns, **read)
        d_loss, report = judge.learn(i, fake, label)
    if training.noise == "fresh":
        read["noise"] = inputs["noise/generator"]
        if "label/generator" in inputs:
            read["label"] = inputs["label/generator"]
        fake = players.play("generator", **read)
    label = {name: value for name, value in read.items() if name == "label"}
    read |= {name: read["noise"][:, part] for name, part in spec.latent.parts.items()}
    shared = {
        name: _further_loss(loss, players, ops, name, fake, read) for name in auxiliaries_of(loss)
    }
    further = {name: players.learn(name, loss)[0] for name, loss in shared.items()}

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        total = judge.loss_of_generator(fake, label)
        for further_loss in shared.values():
            total = total + further_loss()[0]
        return total, {}

    g_loss, _ = players.learn("generator", loss, through=fake)
    if training.ema_decay:
        players.average("generator", training.ema_decay)
    found = {"discriminator": d_loss, "generator": g_loss, **report, **further}
    return {name: found[name] for name in metric_names(spec)}


def _further_loss(
    loss: AdversarialLoss,
    players: Players,
    ops: Ops,
    name: str,
    fake: Played,
    read: Mapping[str, Tensor],
) -> Loss:
    """Return the loss of a further player on the generator's fakes, which both of them minimize.

    Args:
        read: what the generator made them from, by name.
    """
    rule = cast(AuxiliaryLoss, loss)

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        output = players.apply(name, image=fake.value)
        return rule.auxiliary(ops, name, output, read), {}

    return loss


class _Judge:
    """The discriminator within one step, and what both players make of its judgment."""

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
        self.joint = spec.training.passes == "joint" or (
            one_pass_of(loss) and judges_one_by_one(spec)
        )

    def learn(
        self, i: int, fake: Played, label: Mapping[str, Tensor]
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Update the discriminator once, on the real and fake images of a round."""
        ops, training = self.ops, self.spec.training

        def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
            real = disturbed(ops, self.inputs[f"real/{i}"], self.inputs, f"real/{i}")
            made = disturbed(ops, fake.value, self.inputs, f"fake/{i}")
            halves, report = self._halves(real, made, label)
            penalty = self._penalty(i, real, made, label)
            if penalty is None:
                return halves, report
            return halves + penalty, {**report, "penalty": penalty}

        found = self.players.learn("discriminator", loss, floor=training.discriminator_skip_below)
        if training.weight_clip:
            self.players.clip("discriminator", training.weight_clip)
        return found

    def loss_of_generator(self, fake: Played, label: Mapping[str, Tensor]) -> Tensor:
        """Return the generator's loss, inside a :data:`Loss`."""
        made = disturbed(self.ops, fake.value, self.inputs, "generator")
        output = self._apply(made, label)
        loss = self.rule.generator(self.ops, self._logits(output))
        return loss if not self._tells else loss + self._weighted(self._class_loss(output, label))

    @property
    def _tells(self) -> bool:
        return self.spec.loss.class_weight > 0

    def _apply(self, image: Tensor, label: Mapping[str, Tensor]) -> Tensor:
        return self.players.apply("discriminator", image=image, **self._read(label))

    def _read(self, label: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return what the discriminator is told of the label: nothing where it shall tell."""
        return {} if self._tells else label

    def _halves(
        self, real: Tensor, made: Tensor, label: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss on real and fake images, and what to report of it."""
        ops, rule, loss = self.ops, self.rule, self.spec.loss
        if self.joint:
            both = {name: ops.join(value, value) for name, value in label.items()}
            rows = real.shape[0]
            output = self._apply(ops.join(real, made), both)
            real_output, fake_output = output[:rows], output[rows:]
        else:
            real_output, fake_output = self._apply(real, label), self._apply(made, label)
        real_logits, fake_logits = self._logits(real_output), self._logits(fake_output)
        target = 1.0 - loss.label_smoothing
        total = rule.real(ops, real_logits, target) + rule.fake(ops, fake_logits)
        report = self._accuracies(real_logits, fake_logits)
        if self._tells:
            class_loss = self._class_loss(real_output, label)
            total = total + self._weighted(class_loss + self._class_loss(fake_output, label))
            report["class_loss"] = class_loss
        return total if loss.halves == "sum" else 0.5 * total, report

    def _accuracies(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the shares that lie on the right side of the rule's boundary."""
        ops, boundary = self.ops, boundary_of(self.rule)
        if boundary is None:  # a critic's scores have no zero: halfway between the means
            boundary = 0.5 * (ops.mean(real) + ops.mean(fake))
        return {
            "real_accuracy": ops.mean(ops.positive(real - boundary)),
            "fake_accuracy": 1.0 - ops.mean(ops.positive(fake - boundary)),
        }

    def _class_loss(self, output: Tensor, label: Mapping[str, Tensor]) -> Tensor:
        """Return the cross-entropy of the classes, as the discriminator's last logits tell them."""
        return self.ops.cross_entropy(output[:, 1:], label["label"])

    def _logits(self, output: Tensor) -> Tensor:
        """Return real against fake alone, of what may tell classes too."""
        return output[:, :1] if self._tells else output

    def _weighted(self, loss: Tensor) -> Tensor:
        return self.spec.loss.class_weight * loss

    def _penalty(
        self, i: int, real: Tensor, made: Tensor, label: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return the weighted penalties on the discriminator's slopes; each is a further pass."""
        ops, loss, found = self.ops, self.spec.loss, None
        if loss.gradient_penalty:
            mix = self.inputs[f"mix/{i}"]  # (N, 1, 1, 1)
            between = mix * real + (1.0 - mix) * made
            slope = self.players.slope("discriminator", image=between, **self._read(label))
            found = loss.gradient_penalty * gradient_penalty(ops, slope)
        if loss.r1:
            slope = self.players.slope("discriminator", image=real, **self._read(label))
            second = loss.r1 * r1(ops, slope)
            found = second if found is None else found + second
        return found
