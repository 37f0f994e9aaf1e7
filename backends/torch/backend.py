"""The PyTorch backend: its versions, devices and engines."""

import platform
import warnings

import torch

from gandem.backends.torch.engine import TorchEngine
from gandem.core.errors import BackendError
from gandem.core.specs import Spec
from gandem.core.training import CAPABILITIES, AdversarialLoss, Arrays, Engine


class TorchBackend:
    """See :class:`gandem.core.training.Backend`."""

    capabilities = tuple(CAPABILITIES)

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # if TensorFlow was imported first, torch would warn of missing CUDA during a step
            warnings.filterwarnings("ignore", message="CUDA initialization")
            torch.cuda.device_count()

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__, "python": platform.python_version()}

    def devices(self) -> list[str]:
        return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]

    def arithmetic(self, device: str) -> dict[str, str]:
        if device != "cpu":
            facts = {"GPU": torch.cuda.get_device_name(device)}
            return facts | {"cuDNN": str(torch.backends.cudnn.version())}
        libraries = {"oneDNN": torch.backends.mkldnn, "MKL": torch.backends.mkl}
        return {
            "threads": str(torch.get_num_threads()),
            "CPU": torch.backends.cpu.get_cpu_capability().lower(),
            "libraries": ", ".join(n for n, module in libraries.items() if module.is_available()),
        }

    def set_threads(self, count: int) -> None:
        torch.set_num_threads(count)

    def engine(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, *, precision: str, device: str
    ) -> Engine:
        if device != "cpu":
            devices = self.devices()
            if device == "cuda":
                device = "cuda:0"
            if device not in devices:
                raise BackendError(
                    f"PyTorch sees no device {device!r}; it has {', '.join(devices)}."
                )
            # by default PyTorch rounds the factors of convolutions
            is_allowed = precision == "tf32"
            torch.backends.cuda.matmul.allow_tf32 = is_allowed
            torch.backends.cudnn.allow_tf32 = is_allowed
        return TorchEngine(spec, loss, state, precision, torch.device(device))
