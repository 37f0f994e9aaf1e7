"""The formats of Keras, of TensorFlow, and of LiteRT, formerly TensorFlow Lite."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from gandem.core.export import Exporter, ExportNetwork
from gandem.core.machine import capture_stderr
from gandem.core.training import load_backend

Function = Callable[[Mapping[str, np.ndarray]], np.ndarray]
FACTS = "gandem.json"
"""The name of the description in a file that is a zip archive, or ends in one."""


class KerasModel(Exporter):
    """A Functional model of stock layers. It loads without gandem, on all of Keras's backends."""

    suffix = ".keras"
    tolerance = 1e-6
    labels = ("integers", "weights")
    pixels = ("float32", "uint8")
    backend = "keras"

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Write the model, with a description as ``gandem.json`` in its archive."""
        _build(network).save(path)
        _append_facts(path, network)

    def load(self, path: Path, network: ExportNetwork) -> Function:
        """Return the loaded model as a function."""
        load_backend("keras")
        import keras

        return _on_cpu(lambda: keras.saving.load_model(path), lambda model, inputs: model(inputs))


class SavedModel(Exporter):
    """A folder that TensorFlow, TensorFlow Serving and TensorFlow.js read."""

    tolerance = KerasModel.tolerance
    labels = KerasModel.labels
    pixels = KerasModel.pixels
    backend = "keras"

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Write the endpoint ``serve``, which is the signature ``serving_default`` too."""
        model = _build(network)
        import keras
        import tensorflow as tf

        signature = {
            port.name: tf.TensorSpec((None, *port.shape), port.dtype, port.name)
            for port in network.inputs
        }
        archive = keras.export.ExportArchive()  # track() would store the weights twice
        archive.add_endpoint(
            "serve", lambda inputs: {network.output.name: model(inputs)}, [signature]
        )
        archive.write_out(path, verbose=False)

    def load(self, path: Path, network: ExportNetwork) -> Function:
        """Return the signature as a function."""
        load_backend("keras")
        import tensorflow as tf

        def call(model: Any, inputs: Mapping[str, np.ndarray]) -> Any:
            tensors = {name: tf.constant(value) for name, value in inputs.items()}
            return model.signatures["serving_default"](**tensors)[network.output.name]

        return _on_cpu(lambda: tf.saved_model.load(path), call)


class LiteRT(Exporter):
    """A file for phones and small computers, formerly called TensorFlow Lite."""

    suffix = ".tflite"
    labels = KerasModel.labels
    pixels = KerasModel.pixels
    backend = "keras"

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Write the network with its built-in operations, and a description at the end."""
        folder = path.with_name("saved_model")
        SavedModel().write(folder, network)
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        path.write_bytes(converter.convert())
        _append_facts(path, network)

    def load(self, path: Path, network: ExportNetwork) -> Function:
        """Return the signature as a function."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
        with capture_stderr():  # it names the delegate that it creates
            interpreter.allocate_tensors()
        signature = interpreter.get_signature_runner("serving_default")
        return lambda inputs: signature(**inputs)[network.output.name]


def _build(network: ExportNetwork) -> Any:
    """Start Keras, and return a network as a model of stock layers."""
    load_backend("keras")
    from gandem.exporters.keras.model import build_model

    return build_model(network)


def _append_facts(path: Path, network: ExportNetwork) -> None:
    """Append the description of a network to a file, as an archive behind its content; LiteRT
    calls this an associated file.
    """
    with ZipFile(path, "a") as archive:
        archive.writestr(FACTS, json.dumps(network.describe(), indent=2, ensure_ascii=False))


def _on_cpu(load: Callable[[], Any], call: Callable[..., Any]) -> Function:
    """Return a function that calls a loaded model on the CPU, as the engine to compare with."""
    import tensorflow as tf

    with tf.device("CPU"):
        model = load()

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        with tf.device("CPU"):
            output: np.ndarray = call(model, inputs).numpy()
        return output

    return run
