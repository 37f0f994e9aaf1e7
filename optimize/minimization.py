"""Minimize an objective over arrays with an optimizer of the spec, or with L-BFGS.

A backend computes the objective and its gradient; the updates are computed here in NumPy, so they
are the same on every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from gandem.core.errors import RunError
from gandem.core.specs import (
    AdamW,
    Optimizer,
    at_step,
    find_schedules,
    parse_setting,
)
from gandem.core.training import Arrays, Evaluation
from gandem.optimize.lbfgs import Lbfgs, LbfgsUpdater

AnyOptimizer = TypeVar("AnyOptimizer", bound=Optimizer | Lbfgs)
Evaluate = Callable[[Arrays], Evaluation]
OnStep = Callable[[int, Evaluation, Arrays], None]
"""Called with the number of the update, from 1, the evaluation before it, and the variables after
it.
"""


class Updater:
    """The updates of one optimizer, with its state. The formulas are those of the spec's classes.

    Args:
        steps: number of updates; schedules count them, and all of them are one epoch.
    """

    def __init__(self, optimizer: Optimizer, variables: Arrays, steps: int) -> None:
        self._optimizer, self._steps, self._count = optimizer, steps, 0
        self._slots = {
            name: tuple(np.zeros_like(value) for _ in optimizer.slots)
            for name, value in variables.items()
        }

    def update(self, variables: Arrays, gradients: Arrays) -> dict[str, np.ndarray]:
        """Return the variables after one update."""
        now = {
            f"schedule/optimizer.{name}": schedule.value(self._count, self._count / self._steps)
            for name, schedule in find_schedules(self._optimizer)
        }
        optimizer = at_step(self._optimizer, "optimizer", now)
        self._count += 1
        if optimizer.clip_norm:
            norm = np.sqrt(sum(float((g * g).sum()) for g in gradients.values()))
            factor = min(1.0, optimizer.clip_norm / (norm + 1e-6))
            gradients = {name: factor * gradient for name, gradient in gradients.items()}
        moved = {}
        for name, value in variables.items():
            slots, gradient = self._slots[name], gradients[name]
            moved[name], self._slots[name] = _update(optimizer, self._count, value, slots, gradient)
        return moved


Slots = tuple[np.ndarray, ...]


def _update(
    optimizer: Any, count: int, p: np.ndarray, slots: Slots, g: np.ndarray
) -> tuple[np.ndarray, Slots]:
    """Return an array and its slots after update number ``count``, from 1."""
    rate, decay = optimizer.learning_rate, optimizer.weight_decay
    if isinstance(optimizer, AdamW):
        p = p * (1 - rate * decay)
    elif decay:
        g = g + decay * p
    match optimizer.kind:
        case "adam" | "adamw":
            root = np.sqrt(1 - optimizer.beta2**count).item()
            m = slots[0] + (1 - optimizer.beta1) * (g - slots[0])
            v = slots[1] * optimizer.beta2 + (1 - optimizer.beta2) * (g * g)
            scale = np.sqrt(v) / root + optimizer.effective_epsilon(root)
            return p - rate / (1 - optimizer.beta1**count) * m / scale, (m, v)
        case "rmsprop":
            v = slots[0] * optimizer.decay + (1 - optimizer.decay) * (g * g)
            return p - rate * g / (np.sqrt(v) + optimizer.epsilon), (v,)
        case "sgd":
            buffer = slots[0] * optimizer.momentum + g
            return p - rate * buffer, (buffer,)
    raise TypeError(f"The optimizer {optimizer.kind!r} has no update here.")


def minimize(
    evaluate: Evaluate,
    variables: Arrays,
    optimizer: Optimizer | Lbfgs,
    steps: int,
    *,
    limits: tuple[float, float] | None = None,
    noise: Callable[[int], Arrays] | None = None,
    on_step: OnStep | None = None,
) -> dict[str, np.ndarray]:
    """Return the variables after a number of updates.

    Args:
        limits: the variables are clipped to them after each update.
        noise: returns what is added to the variables where the objective is evaluated, by the
            number of the step from 0.

    Raises:
        RunError: the objective is not finite any more.
    """
    updater: Updater | LbfgsUpdater
    if isinstance(optimizer, Lbfgs):
        updater = LbfgsUpdater(optimizer)
    else:
        updater = Updater(optimizer, variables, steps)
    current = dict(variables)
    for step in range(steps):
        moved: Mapping[str, np.ndarray] = current
        if noise is not None:
            moved = current | {
                name: current[name] + x.astype(current[name].dtype)
                for name, x in noise(step).items()
            }
        evaluation = evaluate(moved)
        if not np.isfinite(evaluation.value):
            raise RunError(
                f"The loss is {evaluation.value} at step {step + 1}; choose a lower learning rate."
            )
        current = updater.update(current, evaluation.gradients)
        if limits is not None:
            current = {name: value.clip(*limits) for name, value in current.items()}
        if on_step is not None:
            on_step(step + 1, evaluation, current)
    return current


def parse_optimizer(learning_rate: str | None, default: AnyOptimizer) -> AnyOptimizer:
    """Return an optimizer with another learning rate: a number, or a schedule as text.

    Raises:
        SpecError: it is neither, or a schedule for L-BFGS.
    """
    if learning_rate is None:
        return default
    rate = parse_setting(f"learning_rate={learning_rate}")[1]
    return replace(default, learning_rate=rate)
