"""The random numbers that the framework draws in the mode ``randomness = "device"``: noise, mixing
weights, shifts and directions of penalties, dropout masks, pixel noise, style mixing.

The feed then gives the key of the step instead of them. Everything else is still drawn by core.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gandem.core.rng import dropout_levels
from gandem.core.specs import Shape, Spec, plan_spec
from gandem.core.training.dry_run import passes_of_step, step_inputs
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.ops import Tensor
from gandem.core.training.updates.due import Due

__all__ = ["KEY", "Draw", "list_draws", "make_key"]

KEY = "key"
"""The name of the key among the inputs of a step."""


@dataclass(frozen=True, slots=True)
class Draw:
    """An array to draw: ``noise`` of the spec's latent, ``uniform`` numbers from 0 to 1, ``normal``
    numbers, a Boolean ``mask`` that is False with the probability ``rate``, or ``mixing``: noise
    and a uniform number in the last column.
    """

    kind: Literal["noise", "uniform", "normal", "mask", "mixing"]
    shape: Shape
    rate: float = 0.0


def make_key(seed: int, step: int) -> np.ndarray:
    """Return the key of a step, of which all its draws are a function: int64 (2,), the seed of the
    run and the step from 0.
    """
    return np.array([seed, step], np.int64)


def list_draws(
    spec: Spec, loss: AdversarialLoss, inputs: Mapping[str, Tensor]
) -> Mapping[str, Draw]:
    """Return the arrays to draw for a step, by their names among its inputs, in a fixed order.

    Args:
        inputs: the arrays that core gives to the step.
    """
    rounds = range(spec.training.discriminator_steps)
    rows = tuple(inputs[f"real/{i}"].shape[0] for i in rounds)
    due = Due.among(spec, inputs)
    return _list_draws(spec, loss, rows, due)


@functools.lru_cache(maxsize=64)
def _list_draws(
    spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...], due: Due
) -> Mapping[str, Draw]:
    kinds: dict[str, Literal["noise", "uniform", "normal"]] = {
        "noise": "noise",
        "mix": "uniform",
        "shift": "uniform",
        "direction": "normal",
    }
    draws = {
        name: Draw(kinds[kind], shape)
        for name, shape in step_inputs(spec, loss, rows, due).items()
        if (kind := name.partition("/")[0].partition(":")[0]) in kinds
    }
    plans = plan_spec(spec)
    if any(plan.drawing_nodes() for plan in plans.values()):
        for network_pass in passes_of_step(spec, loss, rows, due):
            for node in plans[network_pass.player].drawing_nodes():
                assert node.layer.draws is not None
                rate = dropout_levels(node.layer.mask_rate) / 256
                name = f"{node.layer.draws}/{network_pass.number}/{node.path}"
                draws[name] = Draw(node.layer.draws, (network_pass.rows, *node.draw_shape), rate)
    return draws
