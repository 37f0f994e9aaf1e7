"""The independent reference for networks: their derivatives of both orders.

The leading axis U of every array has one place for each coordinate of the derivatives; see
``dual_numbers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gandem.core.specs import NetworkPlan
from gandem.core.training import Arrays
from gandem.testing.references.dual_numbers import STEP, Dual
from gandem.testing.references.layers import Network


def differentiate(
    plan: NetworkPlan,
    arrays: Arrays,
    inputs: Arrays,
    cotangent: np.ndarray,
    draws: Arrays,
    number: type[np.complexfloating[Any, Any]] = np.complex128,
) -> dict[str, np.ndarray]:
    """Compute :meth:`ConformanceTarget.differentiate` in the precision of ``number``; return
    float64.

    With s = Σ cotangent·output, and v = ∂s/∂x for the inputs x, 0 for the parameters: the
    derivative of ½ Σ (∂s/∂x)² by u is Σ v·∂²s/∂x∂u, which is s differentiated along v and u.
    """
    problem = (plan, arrays, inputs, cotangent, draws, number)
    names = [*plan.inputs, *(p.name for p in plan.parameters())]
    output, first, _, updated = _differentiate_along(*problem, names, {})
    direction = {name: first[name] for name in plan.inputs}
    second = _differentiate_along(*problem, names, direction)[2]
    results = {
        "value": output,
        **{f"first/{name}": value for name, value in first.items()},
        **{f"second/{name}": value for name, value in second.items()},
        **{f"statistics/{name}": value for name, value in updated.items()},
    }
    return {name: value.astype(np.float64) for name, value in results.items()}


def differentiate_inputs(
    plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: np.ndarray, draws: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the output and ∂s/∂x for the inputs x alone, in a fraction of the time."""
    problem = (plan, arrays, inputs, cotangent, draws, np.complex128)
    return _differentiate_along(*problem, [*plan.inputs], {})[:2]


def _differentiate_along(
    plan: NetworkPlan,
    arrays: Arrays,
    inputs: Arrays,
    cotangent: np.ndarray,
    draws: Arrays,
    number: type[np.complexfloating[Any, Any]],
    names: Sequence[str],
    direction: Arrays,
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the output, ∂s/∂u and ∂²s/∂u∂v by array, and the running statistics.

    Args:
        names: of the arrays whose elements are u.
        direction: v by array; 0 if missing.
    """
    point = {**inputs, **{p.name: arrays[p.name] for p in plan.parameters()}}
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
    statistics = {p.name: arrays[p.name].astype(number).real for p in plan.statistics()}
    network = Network(values, statistics, draws)
    output = network.run(plan.nodes, values[plan.input])
    s = output.linear(lambda t: (t * cotangent).reshape(len(t), -1).sum(axis=1))  # (U,)
    by_u, by_u_and_v = (
        {
            name: (part[position].imag / STEP).reshape(point[name].shape)
            for name, position in positions.items()
        }
        for part in (s.a, s.b)
    )
    return output.a[0].real, by_u, by_u_and_v, network.updated
