"""The operations that a backend exposes to the conformance suite, beside the backend itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from gandem.core.errors import BackendError
from gandem.core.plugins.loading import find_missing, import_target
from gandem.core.specs import NetworkPlan, Optimizer
from gandem.core.training import Arrays, Tensor, find_backend, load_backend

REQUIRED = ("known_failures", "differentiate", "gradient", "optimize")
"""The attributes that every target has."""


class ConformanceTarget(Protocol):
    """The single operations of a backend, in float64 on the CPU. Only the suite loads it: the
    backend's entry names it in ``conformance``.
    """

    known_failures: Mapping[str, str]
    """The conformance tests that the backend fails, by the name of the test or of its case, each
    with the reason. A listed test that passes is a failure.
    """

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        draws: Arrays,
    ) -> dict[str, np.ndarray]:
        """Run a network in training mode and differentiate it twice.

        With s = Σ cotangent·output and h = ½ Σ (∂s/∂x)², summed over all inputs x, as in a gradient
        penalty, return:

        ===================  =================================================================
        ``value``            the output
        ``first/NAME``       ∂s by each input and parameter
        ``second/NAME``      ∂h by each; may be missing without the capability ``second-order``
        ``statistics/NAME``  the running statistics after exactly one pass
        ===================  =================================================================

        Args:
            inputs: those of ``plan.inputs``, batch first, channels-last.
            draws: what layers draw, batch first, by the path of the layer: Boolean masks (N, …), or
                normal numbers (N, H, W, 1).
        """

    def gradient(
        self, function: Callable[..., Tensor], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the scalar ``function(ops, **tensors)`` and its gradient by each array."""

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        """Apply an optimizer to arrays for a list of gradients; return the arrays after each
        update.
        """


def load_target(backend: str) -> ConformanceTarget:
    """Import the conformance target that the entry of a backend names.

    Raises:
        NotFoundError: there is no such backend, or it or its target cannot be imported.
        BackendError: it cannot be loaded, or its entry names no valid target.
    """
    entry = find_backend(backend)
    if not entry.conformance:
        raise BackendError(
            f"The {entry.full_name} has no conformance target; set "
            "conformance='package.module:Class' in its entry."
        )
    load_backend(entry)  # it knows how to start its framework
    target: ConformanceTarget = import_target(replace(entry, target=entry.conformance))()
    if missing := find_missing(target, REQUIRED):
        raise BackendError(f"The conformance target of the {entry.full_name}: {missing}.")
    return target


def list_array_names(plan: NetworkPlan) -> list[str]:
    """Return the names of the arrays that :meth:`ConformanceTarget.differentiate` returns."""
    names = [*plan.inputs, *(p.name for p in plan.parameters())]
    return [
        "value",
        *(f"{order}/{name}" for order in ("first", "second") for name in names),
        *(f"statistics/{p.name}" for p in plan.statistics()),
    ]
