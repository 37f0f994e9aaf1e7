"""The independent reference for networks: their derivatives of both orders.

The leading axis U of every array has one place for each coordinate of the derivatives; see
``dual_numbers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gandem.core.specs import NetworkPlan
from gandem.core.training import Arrays
from gandem.testing.references.dual_numbers import STEP, Dual
from gandem.testing.references.layers import Network

__all__ = ["differentiate", "differentiate_inputs"]


def differentiate(
    plan: NetworkPlan,
    arrays: Arrays,
    inputs: Arrays,
    cotangent: np.ndarray,
    masks: Arrays,
    number: type[np.complexfloating[Any, Any]] = np.complex128,
) -> dict[str, np.ndarray]:
    """Compute :meth:`ConformanceTarget.differentiate` in the precision of ``number``; return
    float64.

    With s = Σ cotangent·output, and v = ∂s/∂x for the inputs x, 0 for the parameters: the
    derivative of ½ Σ (∂s/∂x)² by u is Σ v·∂²s/∂x∂u, which is s differentiated along v and u.
    """
    problem = _Problem(plan, arrays, inputs, cotangent, masks, number)
    names = [*plan.inputs, *(p.name for p in plan.parameters())]
    first = problem.sweep(names, {})
    second = problem.sweep(names, {name: first.by_u[name] for name in plan.inputs})
    results = {
        "value": first.output,
        **{f"first/{name}": value for name, value in first.by_u.items()},
        **{f"second/{name}": value for name, value in second.by_u_and_v.items()},
        **{f"statistics/{name}": value for name, value in first.updated.items()},
    }
    return {name: value.astype(np.float64) for name, value in results.items()}


def differentiate_inputs(
    plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: np.ndarray, masks: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the output and ∂s/∂x for the inputs x alone, in a fraction of the time."""
    problem = _Problem(plan, arrays, inputs, cotangent, masks, np.complex128)
    first = problem.sweep([*plan.inputs], {})
    return first.output, first.by_u


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One forward pass: the output, ∂s/∂u and ∂²s/∂u∂v by array, and the running statistics."""

    output: np.ndarray
    by_u: dict[str, np.ndarray]
    by_u_and_v: dict[str, np.ndarray]
    updated: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class _Problem:
    """The arguments of :func:`differentiate`."""

    plan: NetworkPlan
    arrays: Arrays
    inputs: Arrays
    cotangent: np.ndarray
    masks: Arrays
    number: type[np.complexfloating[Any, Any]]

    def sweep(self, names: Sequence[str], direction: Arrays) -> _Sweep:
        """Differentiate by each element of some arrays.

        Args:
            direction: v by array; 0 if missing.
        """
        plan, number = self.plan, self.number
        point = {**self.inputs, **{p.name: self.arrays[p.name] for p in plan.parameters()}}
        ends = np.cumsum([point[name].size for name in names])
        positions = {
            name: slice(end - point[name].size, end)
            for name, end in zip(names, ends.tolist(), strict=True)
        }
        values = {}
        for name, value in point.items():
            shape = (int(ends[-1]), *value.shape)
            a = np.broadcast_to(value.astype(number), shape)
            if name in positions:
                a = a.copy()
                a.reshape(len(a), -1)[positions[name]].flat[:: value.size + 1] += STEP * 1j
            tangent = direction.get(name, np.zeros(value.shape))
            values[name] = Dual(a, np.broadcast_to(tangent.astype(number), shape))
        statistics = {p.name: self.arrays[p.name].astype(number).real for p in plan.statistics()}
        network = Network(values, statistics, self.masks)
        output = network.run(plan.nodes, values[plan.input])
        s = output.linear(lambda t: (t * self.cotangent).reshape(len(t), -1).sum(axis=1))  # (U,)
        by_u, by_u_and_v = (
            {
                name: (part[position].imag / STEP).reshape(point[name].shape)
                for name, position in positions.items()
            }
            for part in (s.a, s.b)
        )
        return _Sweep(output.a[0].real, by_u, by_u_and_v, network.updated)
