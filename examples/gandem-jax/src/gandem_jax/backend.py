"""The JAX backend: its versions, devices and engines."""

import os
import platform

import jax
import jaxlib

from gandem.core.errors import BackendError
from gandem.core.machine import count_cpus, cpu_instructions
from gandem.core.specs import Spec
from gandem.core.training import AdversarialLoss, Arrays, Engine
from gandem_jax.engine import JaxEngine


class JaxBackend:
    """See :class:`gandem.core.training.Backend`."""

    capabilities = ("conditional", "spectral-norm", "second-order", "float64", "resume", "gpu")

    def versions(self) -> dict[str, str]:
        versions = {"jax": jax.__version__, "jaxlib": jaxlib.__version__}
        return {**versions, "python": platform.python_version()}

    def devices(self) -> list[str]:
        return list(_devices())

    def arithmetic(self, device: str) -> dict[str, str]:
        if device != "cpu":
            return {"GPU": _devices()[device].device_kind}
        # XLA reads these variables when it starts, and cannot change its threads later
        threads = os.environ.get("PJRT_NPROC") or os.environ.get("NPROC") or count_cpus()
        return {"threads": str(threads), "CPU": cpu_instructions()}

    def engine(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, *, precision: str, device: str
    ) -> Engine:
        devices = _devices()
        name = "cuda:0" if device == "cuda" else device
        if name not in devices:
            raise BackendError(f"JAX sees no device {device!r}; it has {', '.join(devices)}.")
        return JaxEngine(spec, loss, state, devices[name])  # the state's dtype is the precision


def _devices() -> dict[str, jax.Device]:
    """Return JAX's devices by gandem's names."""
    cpu = {"cpu": jax.devices("cpu")[0]}
    return cpu | {f"cuda:{d.id}": d for d in jax.devices() if d.platform == "gpu"}
