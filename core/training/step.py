"""The training step, written once: a backend supplies the players and the tensor functions, and may
compile it.

Every choice is data in the spec.  Order matters by O(1) for the result, so it is fixed here:
discriminator first, real before fake, then the generator, then its weight average.
"""

from __future__ import annotations

from collections.abc import Mapping

from gandem.core.objectives import ObjectiveRule
from gandem.core.spec import Spec
from gandem.core.training.contract import Ops, Played, Players, Tensor

__all__ = ["METRICS", "train_step"]

METRICS = ("discriminator", "generator", "real_accuracy", "fake_accuracy")
"""What a step reports, by name."""


def train_step(
    spec: Spec,
    objective: ObjectiveRule,
    players: Players,
    ops: Ops,
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Play one step: ``discriminator_steps`` updates of the discriminator, one of the generator.

    Args:
        inputs: ``real/i`` (N, H, W, C), ``noise/i`` (N, latent) and, with classes, ``label/i`` (N,
            classes) for round i;
            ``noise/generator`` where the generator learns on fresh noise.

    Returns:
        The :data:`METRICS`: ``discriminator`` and ``generator``, the losses in the objective's
        unit; ``real_accuracy`` and ``fake_accuracy``, the shares of the last round that the
        discriminator judged rightly.
    """
    training = spec.training
    for i in range(training.discriminator_steps):
        label = {"label": inputs[f"label/{i}"]} if spec.classes else {}
        fake = players.play("generator", noise=inputs[f"noise/{i}"], **label)
        d_loss, report = _learn_to_tell(
            spec, objective, players, ops, inputs[f"real/{i}"], fake, label
        )
    if training.noise == "fresh":
        fake = players.play("generator", noise=inputs["noise/generator"], **label)
    g_loss, _ = players.learn(
        "generator",
        lambda: (
            objective.generator(ops, players.apply("discriminator", image=fake.value, **label)),
            {},
        ),
        through=fake,
    )
    if training.ema_decay:
        players.average("generator", training.ema_decay)
    return {"discriminator": d_loss, "generator": g_loss, **report}


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
