"""The backend: its framework, its engines, and single operations for the conformance tests.

It delegates everything to gandem's PyTorch backend. Replace one method after the other by your
framework's, in the order of their numbers, and run ``pytest`` after each: the conformance suite
compares what is yours with stored numbers, and what is not yet yours keeps working.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gandem.core.specs import NetworkPlan, Optimizer, Spec
from gandem.core.training import AdversarialLoss, Arrays, Derivatives, Engine, load_backend

from my_plugin.engine import ExampleEngine


class ExampleBackend:
    """See :class:`gandem.core.training.Backend`."""

    def __init__(self) -> None:
        self.torch = load_backend("torch")

    # 1. The framework.

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages it runs on, the framework first."""
        return self.torch.versions()

    def devices(self) -> list[str]:
        """Return the devices: ``"cpu"``, ``"cuda:0"``, …."""
        return self.torch.devices()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do, out of "conditional", "spectral-norm", "second-order", "float64",
        "resume", "gpu" and others; start with ``capabilities = ()``.
        """
        return self.torch.capabilities

    @property
    def known_failures(self) -> Mapping[str, str]:
        """The tests or cases of the conformance suite that fail, each with the reason; one that
        passes is an error.
        """
        return self.torch.known_failures

    # 2. The tensor functions, `gandem.core.training.Ops`, and the gradient of a function.

    def gradient(
        self, function: Callable[..., Any], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Evaluate ``function(ops, **tensors)``, a scalar, and its gradient by each array."""
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
        masks: Arrays,
    ) -> Derivatives:
        """Run a network in training mode and differentiate it twice.

        Images are channels-last. ``masks`` are those of dropout, by the path of the layer; the
        running statistics are those after exactly one pass.
        """
        return self.torch.differentiate(plan, arrays, inputs, cotangent, masks)

    # 5. The engine: see engine.py.

    def engine(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, *, precision: str, device: str
    ) -> Engine:
        """Return an engine for a spec and its loss, with a state.

        Raises:
            BackendError: there is no such device.
        """
        engine = self.torch.engine(spec, loss, state, precision=precision, device=device)
        return ExampleEngine(engine)
