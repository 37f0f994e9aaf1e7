"""The PyTorch backend: what it runs on, and the engines it builds."""

import platform
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gandem.backends.torch import conformance
from gandem.backends.torch.engine import TorchEngine
from gandem.core.errors import BackendError
from gandem.core.plugins.registry import load_loss
from gandem.core.specs import NetworkPlan, Optimizer, Spec
from gandem.core.training import CAPABILITIES, Arrays, Derivatives, Engine


class TorchBackend:
    """See :class:`gandem.core.training.Backend`."""

    capabilities = tuple(CAPABILITIES)
    known_failures: Mapping[str, str] = {}

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # where TensorFlow came first, CUDA's absence would be said in the middle of a step
            warnings.filterwarnings("ignore", message="CUDA initialization")
            torch.cuda.device_count()

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__, "python": platform.python_version()}

    def devices(self) -> list[str]:
        return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]

    def engine(self, spec: Spec, arrays: Arrays, *, precision: str, device: str) -> Engine:
        if device != "cpu":
            there = self.devices()
            if device == "cuda":
                device = "cuda:0"
            if device not in there:
                raise BackendError(f"PyTorch sees no device {device!r}; it has {', '.join(there)}.")
            # left to itself PyTorch rounds the factors of convolutions
            allowed = precision == "tf32"
            torch.backends.cuda.matmul.allow_tf32 = allowed
            torch.backends.cudnn.allow_tf32 = allowed
        loss = load_loss(spec.loss)
        return TorchEngine(spec, loss, arrays, precision, torch.device(device))

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        masks: Arrays,
    ) -> Derivatives:
        return conformance.differentiate(plan, arrays, inputs, cotangent, masks)

    def gradient(
        self, function: Callable[..., Any], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        return conformance.gradient(function, arrays)

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        return conformance.optimize(optimizer, arrays, gradients)
