"""Imports TensorFlow and Keras: the right Keras backend, the right order, no messages."""

import importlib.util
import os
import sys

from gandem.core.errors import BackendError
from gandem.core.machine import are_process_effects_allowed, capture_stderr


def start() -> None:
    """Import TensorFlow, and Keras 3 with TensorFlow as its backend.

    Raises:
        BackendError: Keras was already imported on another backend.
    """
    if "keras" in sys.modules:
        running = sys.modules["keras"].config.backend()
        if running != "tensorflow":
            raise BackendError(
                f"Keras is already running on {running!r}; gandem needs TensorFlow there. Set "
                "KERAS_BACKEND=tensorflow before Keras is imported."
            )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if are_process_effects_allowed():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # triton imported after TensorFlow aborts the process, and torch loads it late
    # (tensorflow#124205)
    if importlib.util.find_spec("triton") is not None:
        import triton  # noqa: F401
    with capture_stderr():
        import tensorflow as tf

        if are_process_effects_allowed():
            tf.get_logger().setLevel("ERROR")  # it warns about batches of another size
        tf.config.list_physical_devices()  # the search for a GPU prints messages
        import keras  # noqa: F401
