"""A network as a Functional model of stock Keras layers."""

from __future__ import annotations

import keras
from keras import KerasTensor, ops

from gandem.core.export import ExportNetwork, Port, fold_weights
from gandem.exporters.keras.layers import Graph


def build_model(network: ExportNetwork) -> keras.Model:
    """Return the model, float32 and channels-last. It is called with its inputs by name."""
    usual = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        return _build(network)
    finally:
        keras.config.set_image_data_format(usual)


def _build(network: ExportNetwork) -> keras.Model:
    inputs, tensors = [], {}
    for port in network.inputs:
        is_class = port.dtype == "int64"  # which JAX does not have; Keras casts integers
        x = keras.Input(port.shape, dtype="int32" if is_class else port.dtype, name=port.name)
        inputs.append(x)
        tensors[port.key] = ops.one_hot(x, network.plan.inputs[port.key][0]) if is_class else x
    graph = Graph(fold_weights(network.plan, network.arrays), tensors)
    output = graph.run(network.plan.nodes, tensors[network.plan.input])
    output = _to_bytes(output, network.output) if network.output.dtype == "uint8" else output
    return keras.Model(inputs, output, name=network.player)


def _to_bytes(images: KerasTensor, port: Port) -> KerasTensor:
    """Return images as bytes; see :func:`gandem.core.data.images.to_bytes`."""
    low, high = port.limits or (-1.0, 1.0)
    scaled = ops.round((images - low) * (255 / (high - low)))
    return ops.cast(ops.clip(scaled, 0, 255), "uint8")
