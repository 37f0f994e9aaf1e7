"""The backend: what it runs on, the engines it builds, and its single operations for the tests.

It works as it stands, for it hands everything to gandem's own PyTorch backend.  Replace one method
after another by your framework's, in the order of their numbers, and run ``pytest`` after each: the
conformance suite holds what is yours to stored numbers, and what is not yet yours still works.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gandem.core.plugins.registry import load_backend
from gandem.core.specs import NetworkPlan, Optimizer, Spec
from gandem.core.training import Arrays, Derivatives, Engine

from my_plugin.engine import ExampleEngine


class ExampleBackend:
    """See :class:`gandem.core.training.Backend`."""

    def __init__(self) -> None:
        self.torch = load_backend("torch")

    # 1. What it is.

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages it runs on, the framework first."""
        return self.torch.versions()

    def devices(self) -> list[str]:
        """Return the devices that are there: ``"cpu"``, ``"cuda:0"``, …."""
        return self.torch.devices()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do beyond the common, for a start ``capabilities = ()`` of your own: out of
        "conditional", "spectral-norm", "second-order", "float64", "resume", "gpu".
        """
        return self.torch.capabilities

    @property
    def known_failures(self) -> Mapping[str, str]:
        """Tests or cases of the conformance suite that cannot succeed, each with the reason; one
        that succeeds after all fails.
        """
        return self.torch.known_failures

    # 2. The tensor functions, `gandem.core.training.Ops`, and the framework's gradient.

    def gradient(
        self, function: Callable[..., Any], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Evaluate ``function(ops, **tensors)``, a scalar, and its gradient by each array."""
        return self.torch.gradient(function, arrays)

    # 3. The optimizers: Adam first, which most models want.

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        """Apply an optimizer to arrays for a list of gradients; return the arrays after each
        update.
        """
        return self.torch.optimize(optimizer, arrays, gradients)

    # 4. The layers, the bulk of the work: dense first, then convolutions, then norms.

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        masks: Arrays,
    ) -> Derivatives:
        """Run a network in training mode and differentiate it twice.

        Channels last; the batch's ``masks`` of dropout by the path of their layer; the running
        statistics as they are after exactly one pass.
        """
        return self.torch.differentiate(plan, arrays, inputs, cotangent, masks)

    # 5. The engine, at last: see its own file.

    def engine(self, spec: Spec, arrays: Arrays, *, precision: str, device: str) -> Engine:
        """Build an engine from a spec and a state.

        Raises:
            BackendError: the device is not there.
        """
        engine = self.torch.engine(spec, arrays, precision=precision, device=device)
        return ExampleEngine(engine)
