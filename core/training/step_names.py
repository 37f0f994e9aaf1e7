"""The names of what a training step reports, and of inputs that only some steps have."""

from __future__ import annotations

from collections.abc import Mapping

from gandem.core.specs import Spec
from gandem.core.training.ops import Tensor

__all__ = ["ADAPT", "METRICS", "PENALTY_FACTOR", "metric_names", "penalizes_gradients"]

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
