"""The discriminator within one training step, and the losses of all players from its logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gandem.core.specs import (
    FADE_IN,
    IMAGE,
    Spec,
    at_resolution,
    at_step,
    has_encoder,
    image_shapes,
    is_image,
)
from gandem.core.training.feed.augmentation import CONSISTENT, adapt_probability, disturb
from gandem.core.training.losses import (
    AdversarialLoss,
    PairedLoss,
    allows_one_pass,
    compute_discriminator_loss,
    decision_boundary,
    is_paired,
)
from gandem.core.training.ops import Images, Ops, Tensor
from gandem.core.training.protocols import Played, Players
from gandem.core.training.updates.due import PENALTY_FACTOR, Due
from gandem.core.training.updates.passes import can_share_pass
from gandem.core.training.updates.penalties import (
    feature_distance,
    gradient_penalty,
    lecam_penalty,
    mix_images,
    move_images,
    squared_distance,
    squared_slope,
)
from gandem.core.training.updates.top_rows import TopOps

Inputs = Mapping[str, Tensor]
"""The discriminator's inputs for a batch, by name."""
Features = tuple[dict[str, Tensor] | None, dict[str, Tensor] | None]
"""The outputs of layers for real and for fake images, by name, if they are needed."""

ADAPT = "adapt"
"""An input that is 1 in steps that adapt the probability of augmentation, 0 in others."""


def _add(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Return the sum of two terms of a loss, each of which may be missing."""
    if first is None or second is None:
        return second if first is None else first
    return first + second


class Discriminator:
    """The discriminator within one step, and the losses of all players from its logits.

    With an encoder it reads the noise beside the image: of a real image its encoding, of a fake one
    the noise that the generator made it from.
    """

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
        self.fade = {FADE_IN: inputs[FADE_IN]} if FADE_IN in inputs else {}
        self.loss: Any = at_step(spec.loss, "loss", inputs)
        self.training: Any = at_step(spec.training, "training", inputs)
        self.probability = self.training.augment.probability
        if spec.training.augment.adaptive_target:
            self.probability = players.get_running("augment_probability")
        self.classifies = bool(spec.loss.class_weight)
        self.encodes, self.last = has_encoder(spec), spec.training.discriminator_steps - 1
        self.joint = spec.training.passes == "joint"
        self.sloped = False
        if not self.joint and can_share_pass(spec):
            self.sloped = bool(spec.loss.r1 or spec.loss.r2)
            self.joint = allows_one_pass(loss) and not self.sloped

    def encode(self, i: int) -> Played | None:
        """Return the encodings of the real images of one round, None without an encoder."""
        if not self.encodes:
            return None
        images, back = self._images("real", i), i == self.last
        return self.players.play("encoder", back=back, **images, **self.fade)

    def learn(
        self, i: int, fake: Played, read: Mapping[str, Tensor], encoded: Played | None
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Update the discriminator once, on the real and fake images of one round.

        Args:
            read: the inputs of the generator that gave the fake images, by name.
            encoded: of the real images.
        """
        training, label = self.spec.training, read.get("label")

        def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
            images = {
                "real": self._disturb(self._images("real", i), f"real/{i}"),
                "fake": self._disturb(fake.value, f"fake/{i}"),
            }
            noise = {"real": encoded.value["noise"] if encoded else None, "fake": read["noise"]}
            seen = {side: self._read(images[side], label, noise[side]) for side in images}
            real, fake_inputs = seen["real"], seen["fake"]
            outputs, at_images = self._apply_sloped(real, fake_inputs)
            halves, logits, report = self._halves(*outputs, label)
            slopes = self._gradient_penalty(i, real, fake_inputs, at_images)
            rest = self._logit_penalty(i, images, seen, logits)
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

    def compute_generator_loss(
        self, fake: Played, read: Mapping[str, Tensor], encoded: Played | None
    ) -> Tensor:
        """Compute the generator's loss, inside a :data:`Loss`.

        Args:
            read: the inputs of the generator that gave the fake images, by name.
            encoded: of the real images of the last round.
        """
        loss, real_output, total = self.spec.loss, None, None
        features: Features = ({}, {}) if loss.feature_matching else (None, None)
        fake_inputs = self._read_fake(fake, read)
        if is_paired(self.rule) or loss.feature_matching:
            real_output, output = self._apply_both(self._read_real(encoded), fake_inputs, features)
        else:
            output = self._apply(fake_inputs)
        if loss.adversarial_weight:
            total = self._adversarial(real_output, output)
            total = (
                total if loss.adversarial_weight == 1.0 else self.loss.adversarial_weight * total
            )
        if loss.feature_matching:
            distance = feature_distance(self.ops, *features)
            total = _add(total, self.loss.feature_matching * distance)
        return self._add_class_loss(total, output, read.get("label"))

    def compute_encoder_loss(
        self, fake: Played, read: Mapping[str, Tensor], encoded: Played
    ) -> Tensor:
        """Compute the encoder's loss, inside a :data:`Loss`: the generator's with real and fake
        images exchanged. A paired loss compares both, and is the same for encoder and generator.

        Args:
            read, encoded: see :meth:`compute_generator_loss`.
        """
        real = self._read_real(encoded)
        if is_paired(self.rule):
            output, made_output = self._apply_both(real, self._read_fake(fake, read))
            loss = self._adversarial(output, made_output)
        else:
            output, boundary = self._apply(real), decision_boundary(self.rule) or 0.0
            mirrored = 2.0 * boundary - self._logits(output)
            loss = self.rule.generator(self.ops, mirrored)
        return self._add_class_loss(loss, output, self.inputs.get(f"label/{self.last}"))

    def _adversarial(self, real_output: Tensor | None, output: Tensor) -> Tensor:
        """Return the generator's loss on the discriminator's logits."""
        if is_paired(self.rule):
            rule = cast(PairedLoss, self.rule)
            return rule.pair_generator(self.ops, self._logits(real_output), self._logits(output))
        logits, takes_all = self._logits(output), self.spec.loss.top_k == 1.0
        ops = self.ops if takes_all else TopOps(self.ops, logits, self.loss.top_k)
        return self.rule.generator(ops, logits)

    def _add_class_loss(self, loss: Tensor | None, output: Tensor, label: Tensor | None) -> Tensor:
        if not self.classifies:
            return loss
        return _add(loss, self._weighted(self._class_loss(output, label)))

    def _read_fake(self, fake: Played, read: Mapping[str, Tensor]) -> Inputs:
        """Return the discriminator's inputs for the generator's update."""
        images = self._disturb(fake.value, "generator")
        return self._read(images, read.get("label"), read["noise"])

    def _read_real(self, encoded: Played | None) -> Inputs:
        """Return the inputs for the real images of the last round, after the discriminator's
        update.
        """
        images = self._disturb(self._images("real", self.last), "real/generator")
        noise = encoded.value["noise"] if encoded else None
        return self._read(images, self.inputs.get(f"label/{self.last}"), noise)

    def _read(self, images: Images, label: Tensor | None, noise: Tensor | None) -> Inputs:
        """Return the discriminator's inputs: no label if it predicts it."""
        inputs = self._pack(images)
        if label is not None and not self.classifies:
            inputs["label"] = label
        return inputs | (self._pack({"noise": noise}) if self.encodes else {})

    def _images(self, kind: str, i: int) -> Images:
        """Return arrays of a round for the images of each resolution: ``"real"`` or ``"shift"``."""
        names = image_shapes(self.spec)
        return {name: self.inputs[f"{at_resolution(kind, name)}/{i}"] for name in names}

    def _disturb(self, images: Images, where: str) -> Images:
        return {
            name: disturb(self.ops, image, self.inputs, where, self.probability, name)
            for name, image in images.items()
        }

    def _pack(self, images: Images) -> dict[str, Tensor]:
        pac, pack = self.training.pac, self.ops.pack
        return {k: value if pac == 1 else pack(value, pac) for k, value in images.items()}

    def _apply(self, inputs: Inputs, features: dict[str, Tensor] | None = None) -> Tensor:
        return self.players.apply("discriminator", features, **inputs, **self.fade)

    def _apply_both(
        self, real: Inputs, fake: Inputs, features: Features = (None, None)
    ) -> tuple[Tensor, Tensor]:
        """Return the outputs for real and fake images, in one pass or in two.

        Args:
            features: receive the outputs of the layers that the discriminator's ``outputs`` lists.
        """
        if not self.joint:
            return self._apply(real, features[0]), self._apply(fake, features[1])
        both = {name: self.ops.join(value, fake[name]) for name, value in real.items()}
        observed: dict[str, Tensor] = {}
        output, rows = self._apply(both, observed), real[IMAGE].shape[0]
        for side, part in zip(features, (slice(rows), slice(rows, None)), strict=True):
            if side is not None:
                side |= {name: value[part] for name, value in observed.items()}
        return output[:rows], output[rows:]

    def _apply_sloped(
        self, real: Inputs, fake: Inputs
    ) -> tuple[tuple[Tensor, Tensor], dict[str, Images]]:
        """Return the outputs for real and fake images, and the slopes that R1 and R2 penalize, if
        they can come from the same passes.
        """
        if not (self.sloped and Due.among(self.spec, self.inputs).penalty):
            return self._apply_both(real, fake), {}
        outputs, slopes = {}, {}
        for name, seen in (("r1", real), ("r2", fake)):
            if getattr(self.spec.loss, name):
                outputs[name], slopes[name] = self._slope(seen)
            else:
                outputs[name] = self._apply(seen)
        return (outputs["r1"], outputs["r2"]), slopes

    def _halves(
        self, real_output: Tensor, fake_output: Tensor, label: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Return the loss on real and fake images, their logits, and the scalars to report."""
        loss = self.spec.loss
        real_logits, fake_logits = self._logits(real_output), self._logits(fake_output)
        target = 1.0 - self.loss.label_smoothing
        total = compute_discriminator_loss(self.rule, self.ops, real_logits, fake_logits, target)
        report = self._accuracies(real_logits, fake_logits)
        if self.classifies:
            class_loss = self._class_loss(real_output, label)
            total = total + self._weighted(class_loss + self._class_loss(fake_output, label))
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

    def _class_loss(self, output: Tensor, label: Tensor | None) -> Tensor:
        """Return the cross-entropy of the class logits, which follow the first logit."""
        return self.ops.cross_entropy(output[:, 1:], label)

    def _logits(self, output: Tensor) -> Tensor:
        """Return the logits of real against fake, without class logits."""
        return output[:, :1] if self.classifies else output

    def _weighted(self, loss: Tensor) -> Tensor:
        return self.loss.class_weight * loss

    def _gradient_penalty(
        self, i: int, real: Inputs, fake: Inputs, slopes: Mapping[str, Images]
    ) -> Tensor | None:
        """Return the sum of the weighted gradient penalties; each whose slope is not known yet
        takes a pass of its own.
        """
        ops, loss, penalty = self.ops, self.spec.loss, None
        if not Due.among(self.spec, self.inputs).penalty:
            return None
        if loss.gradient_penalty:
            mix = self.inputs[f"mix/{i}"]  # (N, 1, 1, 1)
            images = {name: real[name] for name in image_shapes(self.spec)}
            if loss.gradient_penalty_points == "between":
                points = mix_images(images, fake, mix)
            else:
                points = move_images(ops, images, mix, self._images("shift", i))
            _, distances = self._slope({**real, **points})
            distance = gradient_penalty(ops, distances, self.loss.gradient_penalty_norm)
            penalty = self.loss.gradient_penalty * distance
        for name, seen in (("r1", real), ("r2", fake)):
            if getattr(loss, name):
                slope = slopes[name] if name in slopes else self._slope(seen)[1]
                penalty = _add(penalty, getattr(self.loss, name) * squared_slope(ops, slope))
        return penalty

    def _slope(self, inputs: Inputs) -> tuple[Tensor, Images]:
        """Return the output, and its gradient with respect to the images of each resolution."""
        images = {name: value for name, value in inputs.items() if is_image(name)}
        others = {name: value for name, value in inputs.items() if not is_image(name)}
        output, slopes = self.players.slope("discriminator", images, **others, **self.fade)
        return output, {name: slopes[name] for name in images}  # in one order on all backends

    def _logit_penalty(
        self,
        i: int,
        images: Mapping[str, Images],
        seen: Mapping[str, Inputs],
        logits: Mapping[str, Tensor],
    ) -> Tensor | None:
        """Return the sum of the weighted penalties on logits; consistency takes passes of its own.

        Args:
            images: ``real`` and ``fake``, not packed.
            seen: the discriminator's inputs for them.
        """
        ops, loss, penalty = self.ops, self.spec.loss, None
        if loss.lecam:
            averages = map(self.players.get_running, ("real_logits", "fake_logits"))
            penalty = self.loss.lecam * lecam_penalty(ops, *logits.values(), *averages)
        if loss.drift:
            penalty = _add(penalty, self.loss.drift * ops.mean(ops.square(logits["real"])))
        for side in ("real", "fake"):
            if getattr(loss.consistency, side):
                changed = self._disturb(images[side], f"{CONSISTENT}{side}/{i}")
                output = self._apply({**seen[side], **self._pack(changed)})
                distance = squared_distance(ops, logits[side], self._logits(output))
                penalty = _add(penalty, getattr(self.loss.consistency, side) * distance)
        return penalty
