"""Weights as plain layers compute with them: without spectral norm and multipliers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gandem.core.specs import NetworkPlan

__all__ = ["fold_weights", "weight_factors"]


def weight_factors(plan: NetworkPlan, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the factor of each parameter and statistic of a network, by canonical name: the
    multiplier of its equalized learning rate, divided by the spectral norm of a kernel that has
    one.

    Dense layers and convolutions of any framework compute the same with an array times its factor
    as those of gandem.

    Args:
        arrays: parameters and running statistics, by canonical name.
    """
    factors: dict[str, float] = {}
    for node in plan.walk():
        factors |= {array.name: array.multiplier for array in node.parameters + node.statistics}
        left, right, kernel = (
            f"{node.path}/{name}" for name in ("left_vector", "right_vector", "kernel")
        )
        if left in factors:
            u, v, weight = (arrays[name].astype(np.float64) for name in (left, right, kernel))
            matrix = np.moveaxis(weight, node.layer.filter_axis, 0)  # (out, kh, kw, in)
            factors[kernel] /= float(u @ matrix.reshape(len(u), -1) @ v)
    return factors


def fold_weights(plan: NetworkPlan, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of a network times their factors, in canonical layout.

    The vectors of spectral norm are left out.

    Args:
        arrays: parameters and running statistics, by canonical name.
    """
    return {
        name: (arrays[name].astype(np.float64) * factor).astype(arrays[name].dtype)
        for name, factor in weight_factors(plan, arrays).items()
        if not name.endswith(("/left_vector", "/right_vector"))
    }
