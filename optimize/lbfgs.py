"""L-BFGS without a line search: the direction of Newton's method from the last few gradients."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from gandem.core.fields import Checked, Range
from gandem.core.fields.types import Count
from gandem.core.training import Arrays

MIN_CURVATURE = 1e-10
"""The least product of a step and its change of gradient that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lbfgs(Checked):
    """Limited-memory BFGS (Nocedal & Wright 2006, algorithms 7.4 and 7.5) with a fixed step length,
    as ``torch.optim.LBFGS`` without ``line_search_fn``.

    The first step is −``learning_rate`` · min(1, 1 / ‖gradient‖₁) · gradient.

    Attributes:
        learning_rate: of all later steps, times the direction; 1 is that of Newton's method.
        history: number of steps that the direction is computed from.
    """

    learning_rate: Annotated[float, Range(0, open_low=True)] = 1.0
    history: Count = 10


class LbfgsUpdater:
    """The updates of L-BFGS, with their history. All variables are one vector, in float64."""

    def __init__(self, optimizer: Lbfgs) -> None:
        self._optimizer = optimizer
        self._pairs: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=optimizer.history)
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def update(self, variables: Arrays, gradients: Arrays) -> dict[str, np.ndarray]:
        """Return the variables after one update."""
        x, gradient = _flatten(variables, variables), _flatten(gradients, variables)
        rate = self._optimizer.learning_rate
        if self._last is None:
            direction = -gradient * min(1.0, 1.0 / max(float(abs(gradient).sum()), 1e-300))
        else:
            step, change = x - self._last[0], gradient - self._last[1]
            if step @ change > MIN_CURVATURE:
                self._pairs.append((step, change))
            direction = -self._multiply(gradient)
        self._last = x, gradient
        return _unflatten(x + rate * direction, variables)

    def _multiply(self, gradient: np.ndarray) -> np.ndarray:
        """Return the estimate of the inverse of the Hessian times a gradient: two loops."""
        product, factors = gradient.copy(), []
        for step, change in reversed(self._pairs):
            factors.append((step @ product) / (step @ change))
            product -= factors[-1] * change
        if self._pairs:
            step, change = self._pairs[-1]
            product *= (step @ change) / (change @ change)
        for (step, change), factor in zip(self._pairs, reversed(factors), strict=True):
            product += (factor - (change @ product) / (step @ change)) * step
        return product


def _flatten(arrays: Arrays, order: Arrays) -> np.ndarray:
    return np.concatenate([arrays[name].astype(np.float64).ravel() for name in order])


def _unflatten(vector: np.ndarray, like: Arrays) -> dict[str, np.ndarray]:
    ends = np.cumsum([value.size for value in like.values()])
    parts = np.split(vector, ends[:-1])
    return {
        name: part.reshape(value.shape).astype(value.dtype)
        for (name, value), part in zip(like.items(), parts, strict=True)
    }
