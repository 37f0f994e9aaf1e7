"""The single operations of the backend. Only the conformance suite imports this module.

Write the operations where your engine uses them, and call them here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gandem.core.specs import NetworkPlan, Optimizer
from gandem.core.training import Arrays
from gandem.testing import load_target


class ExampleTarget:
    """See :class:`gandem.testing.ConformanceTarget`."""

    known_failures: Mapping[str, str] = {}
    """The tests or cases of the conformance suite that fail, each with the reason; one that passes
    is an error.
    """

    def __init__(self) -> None:
        self.torch = load_target("torch")

    # 2. The tensor functions, `gandem.core.training.Ops`, and the gradient of a function.

    def gradient(
        self, function: Callable[..., Any], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Return the scalar ``function(ops, **tensors)`` and its gradient by each array."""
        return self.torch.gradient(function, arrays)

    # 3. The optimizers: Adam first, which most models need.

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        """Apply an optimizer to arrays for a list of gradients; return the arrays after each
        update.
        """
        return self.torch.optimize(optimizer, arrays, gradients)

    # 4. The layers, most of the work: dense first, then convolutions, then norms.

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        draws: Arrays,
    ) -> dict[str, np.ndarray]:
        """Run a network in training mode and differentiate it twice.

        Images are channels-last. ``draws`` are the masks of dropout and the noise on pixels, by
        the path of the layer; the running statistics are those after exactly one pass. The
        protocol names the results.
        """
        return self.torch.differentiate(plan, arrays, inputs, cotangent, draws)
