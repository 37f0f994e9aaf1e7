"""The random numbers of a step that a framework may draw itself, in the mode ``randomness =
"device"``: noise, the mixing weights of a penalty, dropout masks.

The feed then leaves them out and gives the step's key; everything else stays core's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gandem.core.rng import dropout_levels
from gandem.core.specs import Dropout, Shape, Spec, plan_spec
from gandem.core.training.dry_run import passes_of_step, step_inputs
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.protocols import Tensor

__all__ = ["KEY", "Draw", "draws_of", "key_of", "rows_of_step"]

KEY = "key"
"""The name of a step's key among its inputs."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What is to be drawn: ``noise`` of the spec's latent, ``uniform`` numbers from 0 to 1, or a
    Boolean ``mask`` that is False with the probability ``rate``.
    """

    kind: Literal["noise", "uniform", "mask"]
    shape: Shape
    rate: float = 0.0


def key_of(seed: int, step: int) -> np.ndarray:
    """Return what the draws of a step are a function of: int64 (2,), the run's seed and the step
    from 0.
    """
    return np.array([seed, step], np.int64)


def rows_of_step(spec: Spec, inputs: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the batch of each round, as the real images of a step's inputs have it."""
    return tuple(inputs[f"real/{i}"].shape[0] for i in range(spec.training.discriminator_steps))


@functools.lru_cache(maxsize=64)
def draws_of(spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...]) -> Mapping[str, Draw]:
    """Return what is to be drawn for a step, by the name among its inputs, in a fixed order.

    Args:
        rows: the batch of each round.
    """
    kinds: dict[str, Literal["noise", "uniform"]] = {"noise": "noise", "mix": "uniform"}
    found = {
        name: Draw(kinds[kind], shape)
        for name, shape in step_inputs(spec, rows).items()
        if (kind := name.partition("/")[0]) in kinds
    }
    plans = plan_spec(spec)
    if any(plan.dropouts() for plan in plans.values()):
        for made in passes_of_step(spec, loss, rows):
            for node in plans[made.player].dropouts():
                assert isinstance(node.layer, Dropout)
                rate = dropout_levels(node.layer.rate) / 256
                name = f"mask/{made.number}/{node.path}"
                found[name] = Draw("mask", (made.rows, *node.output_shape), rate)
    return found
