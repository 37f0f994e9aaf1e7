"""The backend: its framework and its engines.

It delegates everything to gandem's PyTorch backend. Replace one method after the other by your
framework's, in the order of the numbers here and in conformance.py, and run ``pytest`` after each:
the conformance suite compares your methods with stored numbers, and the others keep working.
"""

from gandem.core.specs import Spec
from gandem.core.training import AdversarialLoss, Arrays, Engine, load_backend

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

    # 2. to 4.: see conformance.py.

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
