"""Weights as plain layers compute with them: without spectral norm and multipliers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gandem.core.specs import NetworkPlan

__all__ = ["fold_weights"]


def fold_weights(plan: NetworkPlan, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of a network with kernels that are divided by their spectral norm and
    multiplied by their equalized learning rate; float32, in canonical layout.

    Dense layers and convolutions of any framework compute the same with them as those of gandem.
    The vectors of spectral norm are left out.

    Args:
        arrays: parameters and running statistics, by canonical name.
    """
    folded = {}
    for node in plan.walk():
        values = {
            array.name: arrays[array.name].astype(np.float64) * array.multiplier
            for array in node.parameters + node.statistics
        }
        left, right, kernel = (
            f"{node.path}/{name}" for name in ("left_vector", "right_vector", "kernel")
        )
        if left in values:
            weight = arrays[kernel].astype(np.float64)
            matrix = np.moveaxis(weight, node.layer.filter_axis, 0)  # (out, kh, kw, in)
            sigma = values.pop(left) @ matrix.reshape(len(matrix), -1) @ values.pop(right)
            values[kernel] = values[kernel] / sigma
        folded |= {name: value.astype(np.float32) for name, value in values.items()}
    return folded
