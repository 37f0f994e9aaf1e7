"""The Keras backend: its versions, devices and engines."""

import contextlib
import os
import platform

import keras
import tensorflow as tf

from gandem.backends.keras.engine import KerasEngine
from gandem.core.errors import BackendError
from gandem.core.machine import count_cpus, cpu_instructions
from gandem.core.specs import Spec
from gandem.core.training import CAPABILITIES, AdversarialLoss, Arrays, Engine


class KerasBackend:
    """See :class:`gandem.core.training.Backend`."""

    capabilities = tuple(CAPABILITIES)

    def versions(self) -> dict[str, str]:
        return {
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "python": platform.python_version(),
        }

    def devices(self) -> list[str]:
        return ["cpu", *(f"cuda:{i}" for i in range(len(tf.config.list_physical_devices("GPU"))))]

    def arithmetic(self, device: str) -> dict[str, str]:
        if device != "cpu":
            gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2] or 0)]
            return {"GPU": tf.config.experimental.get_device_details(gpu).get("device_name", "")}
        threads = tf.config.threading.get_intra_op_parallelism_threads()
        return {
            "threads": str(threads or os.environ.get("TF_NUM_INTRAOP_THREADS") or count_cpus()),
            "CPU": cpu_instructions(),
            "oneDNN": "off" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "on",
        }

    def set_threads(self, count: int) -> None:
        with contextlib.suppress(RuntimeError):  # TensorFlow has executed an operation
            tf.config.threading.set_intra_op_parallelism_threads(count)

    def engine(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, *, precision: str, device: str
    ) -> Engine:
        name = "/CPU:0"
        if device != "cpu":
            devices = self.devices()
            if device == "cuda":
                device = "cuda:0"
            if device not in devices:
                raise BackendError(
                    f"TensorFlow sees no device {device!r}; it has {', '.join(devices)}."
                )
            # by default TensorFlow rounds the factors of all products
            tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
            name = f"/GPU:{device.removeprefix('cuda:')}"
        return KerasEngine(spec, loss, state, precision, name)
