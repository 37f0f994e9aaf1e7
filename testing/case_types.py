"""The types of cases, and the exact numbers of their arrays.

Every number is a hash of its array's name and its index, so a case does not change when NumPy's
generators do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from gandem.core.specs import Layer, NetworkPlan, Optimizer, Shape, plan_network
from gandem.core.training import AdversarialLoss

Special = Literal["one hot", "ties", "zeros", "wide", "dead channel"]
Role = Literal["real", "fake", "generator", "pair", "pair_generator"]
UPDATES = 12
"""Updates of each optimizer."""


def hashed_numbers(name: str, shape: Shape) -> np.ndarray:
    """Return numbers in (-1, 1), exact in float64 and never 0, as a function of a name.

    They are odd multiples of 2**-32 from SplitMix64 at sha256(name) + index. Steele et al. 2014,
    "Fast splittable pseudorandom number generators".

    >>> hashed_numbers("name", (3,)).tolist()
    [-0.8907090409193188, -0.7971997538115829, -0.13179084681905806]
    """
    first = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u8").astype(np.uint64)
    z = first + np.arange(1, np.prod(shape, dtype=int) + 1).astype(np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    odd = 2.0 * (z >> np.uint64(32)) + 1.0  # odd, below 2**33
    return np.asarray((odd - 2.0**32) / 2.0**32).reshape(shape)


def as_statistic(name: str, numbers: np.ndarray) -> np.ndarray:
    """Map numbers in (-1, 1) to valid values of a running statistic: a variance lies in (½, 1½),
    the vectors of spectral norm have length 1.
    """
    if name.endswith("/variance"):
        return 1 + numbers / 2
    if name.endswith("_vector"):
        return np.asarray(numbers / np.sqrt((numbers * numbers).sum()))
    return numbers


@dataclass(frozen=True, kw_only=True)  # no slots: cached properties need a __dict__
class Case:
    """A network to differentiate twice; the first of ``inputs`` enters its first layer."""

    name: str
    layers: tuple[Layer, ...]
    inputs: Mapping[str, Shape]
    batch: int = 2
    special: Mapping[str, Special] = field(default_factory=dict)
    """Inputs of a special form: ties, exact zeros, numbers up to 16, a constant channel."""

    @cached_property
    def plan(self) -> NetworkPlan:
        """The plan of the network, called ``"network"``."""
        return plan_network("network", next(iter(self.inputs)), self.layers, self.inputs)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the parameters and running statistics."""
        parameters = {p.name: self._numbers(p.name, p.shape) for p in self.plan.parameters()}
        return parameters | {
            p.name: as_statistic(p.name, self._numbers(p.name, p.shape))
            for p in self.plan.statistics()
        }

    def values(self) -> dict[str, np.ndarray]:
        """Return the inputs, batch first."""
        return {name: self._input(name, shape) for name, shape in self.inputs.items()}

    def cotangent(self) -> np.ndarray:
        """Return the weights of the output's elements in s = Σ cotangent·output."""
        return self._numbers("cotangent", (self.batch, *self.plan.output_shape))

    def draws(self) -> dict[str, np.ndarray]:
        """Return what each layer draws, by its path: the mask of dropout, Boolean, True where a
        unit is kept; the noise on pixels; another input and a number from 0 to 1.
        """
        drawn = {}
        for node in self.plan.drawing_nodes():
            numbers = self._numbers(node.path, (self.batch, *node.draw_shape))
            if node.layer.draws == "mixing":
                numbers[:, -1] = (numbers[:, -1] + 1) / 2
            drawn[node.path] = numbers > -0.3 if node.layer.draws == "mask" else numbers
        return drawn

    def _numbers(self, name: str, shape: Shape) -> np.ndarray:
        return hashed_numbers(f"{self.name}/{name}", shape)

    def _input(self, name: str, shape: Shape) -> np.ndarray:
        full = (self.batch, *shape)
        value = self._numbers(name, full)
        match self.special.get(name):
            case "one hot":
                value = np.eye(shape[0])[np.argmax(value, axis=1)]
            case "ties":  # patches of 2 x 2 pixels
                rows, columns = np.arange(shape[0]) // 2, np.arange(shape[1]) // 2
                value = value[:, rows][:, :, columns]
            case "zeros":  # every third
                value = np.where(np.arange(value.size).reshape(full) % 3 == 0, 0.0, value)
            case "wide":
                value = 16 * value
            case "dead channel":
                value[..., 0] = 0.5
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LossCase:
    """One part of a loss, on ``logits`` (N, 1), or on ``real`` and ``fake`` ones if it pairs."""

    name: str
    loss: AdversarialLoss
    role: Role
    target: float
    arrays: Mapping[str, np.ndarray]

    @property
    def function(self) -> Callable[..., Any]:
        """The loss as a function of ``ops`` and its arrays, for
        :meth:`ConformanceTarget.gradient`.
        """
        method = getattr(self.loss, self.role)
        target = {"target": self.target} if self.role == "real" else {}
        return lambda ops, **logits: method(ops, **logits, **target)

    def name_results(self, value: float, gradients: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return the value and the gradient by each array, by the names of the reference."""
        names = {name: f"gradient of {name}" for name in gradients} | {"logits": "gradient"}
        return {"value": np.array(value), **{names[k]: g for k, g in gradients.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerCase:
    """An optimizer that makes 12 updates."""

    name: str
    optimizer: Optimizer

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights before the first update."""
        return {
            "player/kernel": hashed_numbers("kernel", (4, 3)),
            "player/bias": hashed_numbers("bias", (4,)),
        }

    def gradients(self) -> list[dict[str, np.ndarray]]:
        """Return the gradients of each update, from 1e-9, where epsilon matters, to 100.

        The last row is 0 in the first 5 updates, the row above it in the others; one weight's
        gradient is always 0.
        """
        gradients = []
        for step in range(UPDATES):
            kernel = hashed_numbers(f"kernel gradient {step}", (4, 3)) * [1.0, 1e-9, 1e-4]
            kernel[3 if step < 5 else 2] = 0.0
            kernel[0, 1] = 0.0
            bias = hashed_numbers(f"bias gradient {step}", (4,)) * [1.0, 100.0, 1e-6, 1e-8]
            gradients.append({"player/kernel": kernel, "player/bias": bias})
        return gradients
