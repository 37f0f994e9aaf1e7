"""The training step, written once: a backend supplies the players and the tensor functions, and may
compile it.

Every choice is data in the spec.  Order matters by O(1) for the result, so it is fixed here:
discriminator first, real before fake, then further players of the objective, then the generator,
then its weight average.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from gandem.core.objectives import FurtherRule, ObjectiveRule, auxiliaries_of
from gandem.core.spec import Spec
from gandem.core.training.contract import Loss, Ops, Played, Players, Tensor

__all__ = ["METRICS", "metric_names", "train_step"]

METRICS = ("discriminator", "generator", "real_accuracy", "fake_accuracy")
"""What every step reports, by name."""


def metric_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of what a step reports, in order: the :data:`METRICS`, then the further
    players.
    """
    return (*METRICS, *(player.name for player in spec.players if player.name not in METRICS))


def train_step(
    spec: Spec,
    objective: ObjectiveRule,
    players: Players,
    ops: Ops,
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Play one step: ``discriminator_steps`` updates of the discriminator, one of each further
    player and one of the generator.

    Further players learn on the fakes that the generator is about to learn on, and the generator
    minimises its own loss plus theirs, as they judge after that update.

    Args:
        inputs: ``real/i`` (N, H, W, C), ``noise/i`` (N, latent) and, with classes, ``label/i`` (N,
            classes) for round i;
            ``noise/generator`` where the generator learns on fresh noise.

    Returns:
        The :func:`metric_names`, in order: ``discriminator`` and ``generator``, the losses in the
        objective's unit, the generator's with those that it shares; ``real_accuracy`` and
        ``fake_accuracy``, the shares of the last round that the discriminator judged rightly; then
        the loss of each further player before its update, under its name.
    """
    training = spec.training
    for i in range(training.discriminator_steps):
        label = {"label": inputs[f"label/{i}"]} if spec.classes else {}
        fake = players.play("generator", noise=inputs[f"noise/{i}"], **label)
        d_loss, report = _learn_to_tell(
            spec, objective, players, ops, inputs[f"real/{i}"], fake, label
        )
    read = {"noise": inputs[f"noise/{training.discriminator_steps - 1}"], **label}
    if training.noise == "fresh":
        read["noise"] = inputs["noise/generator"]
        fake = players.play("generator", **read)
    read |= {name: read["noise"][:, part] for name, part in spec.latent.parts.items()}
    shared = {
        name: _further_loss(objective, players, ops, name, fake, read)
        for name in auxiliaries_of(objective)
    }
    further = {name: players.learn(name, loss)[0] for name, loss in shared.items()}

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        logits = players.apply("discriminator", image=fake.value, **label)
        total = objective.generator(ops, logits)
        for further_loss in shared.values():
            total = total + further_loss()[0]
        return total, {}

    g_loss, _ = players.learn("generator", loss, through=fake)
    if training.ema_decay:
        players.average("generator", training.ema_decay)
    found = {"discriminator": d_loss, "generator": g_loss, **report, **further}
    return {name: found[name] for name in metric_names(spec)}


def _further_loss(
    objective: ObjectiveRule,
    players: Players,
    ops: Ops,
    name: str,
    fake: Played,
    read: Mapping[str, Tensor],
) -> Loss:
    """Return the loss of a further player on the generator's fakes, which both of them minimise.

    Args:
        read: what the generator made them from, by name.
    """
    rule = cast(FurtherRule, objective)

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        output = players.apply(name, image=fake.value)
        return rule.auxiliary(ops, name, output, read), {}

    return loss


def _learn_to_tell(
    spec: Spec,
    objective: ObjectiveRule,
    players: Players,
    ops: Ops,
    real: Tensor,
    fake: Played,
    label: Mapping[str, Tensor],
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Update the discriminator once on real and fake images."""
    target = 1.0 - spec.objective.label_smoothing

    def loss() -> tuple[Tensor, Mapping[str, Tensor]]:
        if spec.training.passes == "joint":
            both = {name: ops.join(value, value) for name, value in label.items()}
            rows = real.shape[0]
            logits = players.apply("discriminator", image=ops.join(real, fake.value), **both)
            real_logits, fake_logits = logits[:rows], logits[rows:]
        else:
            real_logits = players.apply("discriminator", image=real, **label)
            fake_logits = players.apply("discriminator", image=fake.value, **label)
        halves = objective.real(ops, real_logits, target) + objective.fake(ops, fake_logits)
        return halves if spec.objective.halves == "sum" else 0.5 * halves, {
            "real_accuracy": ops.mean(ops.positive(real_logits)),
            "fake_accuracy": 1.0 - ops.mean(ops.positive(fake_logits)),
        }

    return players.learn("discriminator", loss)
