"""Stock Keras layers compute what each layer computes, on all of Keras's backends and in LiteRT."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gandem.core.export import fold_weights
from gandem.core.specs import plan_network
from gandem.core.training import load_backend
from gandem.testing.cases import CASES

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.slow
TOLERANCE = 2e-6
"""Of float32, relative to the largest value if that is above 1."""
ILL_CONDITIONED = {"spectral norm conv2d k3"}
"""Cases whose σ is a small difference of large numbers."""
OPTIONS = ("padding", "strides", "dilation_rate", "groups", "activation", "approximate")
FAST_COMPILATION = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
LOAD = """
import sys, numpy as np, keras
model_path, inputs_path, outputs_path, backend = sys.argv[1:]
model, arrays = keras.saving.load_model(model_path), np.load(inputs_path)
run = model
if backend == "jax":  # one compilation for all layers
    import jax
    run = jax.jit(lambda inputs: model(inputs))
outputs = run([arrays[tensor.name] for tensor in model.inputs])
np.savez(outputs_path, *map(keras.ops.convert_to_numpy, outputs))
assert keras.backend.backend() == backend and "gandem" not in sys.modules
"""


def list_stock_layers(model):
    """Return the stock layers and operations of a model, with what padding depends on, and the
    number of axes of their outputs.
    """
    return {
        (
            type(node.operation).__name__,
            *(str(getattr(node.operation, option, "")) for option in OPTIONS),
            len(node.outputs[0].shape),
        )
        for nodes in model._nodes_by_depth.values()
        for node in nodes
    }


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """Return a saved model with networks side by side, its inputs, and what gandem computes in
    float64, by case: those that have a layer, or stock layer, which no later case has.
    """
    load_backend("keras")
    import keras
    import tensorflow as tf

    from gandem.backends.keras.network import Network
    from gandem.exporters.keras.layers import Graph

    models, seen = [], set()
    for index, case in enumerate(reversed(CASES)):  # the largest kernels are last
        if case.name in ILL_CONDITIONED:
            continue
        name = f"case{index}"
        plan = plan_network(name, next(iter(case.inputs)), case.layers, case.inputs)
        weights = {key.replace("network", name, 1): value for key, value in case.arrays().items()}
        inputs = {k: keras.Input(shape, name=f"{name}_{k}") for k, shape in plan.inputs.items()}
        graph = Graph(fold_weights(plan, weights), dict(inputs))
        model = keras.Model(list(inputs.values()), graph.run(plan.nodes, inputs[plan.input]))
        layers = list_stock_layers(model) | {node.layer.kind for node in plan.walk()}
        if not layers <= seen:
            models.append((case, plan, weights, model))
            seen |= layers
    arrays, expected = {}, {}
    for case, plan, weights, _ in models:
        values = {key: value for key, value in case.values().items() if key in plan.inputs}
        arrays |= {f"{plan.name}_{k}": value.astype(np.float32) for k, value in values.items()}
        network = Network(plan, None, "float64")
        for key, variable in network.arrays().items():
            variable.assign(weights[key])
        tensor = network.run({key: tf.constant(value) for key, value in values.items()})[0]
        expected[case.name] = tensor.numpy()
    folder = tmp_path_factory.mktemp("merged")
    np.savez(folder / "inputs.npz", **arrays)
    parts = [model for *_, model in models]
    whole = keras.Model([x for part in parts for x in part.inputs], [part.output for part in parts])
    whole.save(folder / "model.keras")
    return SimpleNamespace(folder=folder, model=whole, inputs=arrays, expected=expected)


def find_differences(merged, outputs):
    """Return the cases whose outputs differ, with the difference."""
    differences = {}
    for (name, expected), output in zip(merged.expected.items(), outputs, strict=True):
        output = np.asarray(output)
        assert output.shape == expected.shape, name
        difference = np.abs(output - expected).max() / max(1, np.abs(expected).max())
        if not difference < TOLERANCE:
            differences[name] = difference
    return differences


def test_stock_layers_compute_the_same_on_tensorflow(merged):
    outputs = merged.model([merged.inputs[tensor.name] for tensor in merged.model.inputs])

    assert find_differences(merged, outputs) == {}


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_stock_layers_compute_the_same_on_another_backend_without_gandem(merged, backend, tmp_path):
    pytest.importorskip(backend)
    paths = [merged.folder / "model.keras", merged.folder / "inputs.npz", tmp_path / "outputs.npz"]
    environment = os.environ | {"KERAS_BACKEND": backend, "XLA_FLAGS": FAST_COMPILATION}

    subprocess.run([sys.executable, "-c", LOAD, *paths, backend], env=environment, check=True)

    with np.load(paths[-1]) as outputs:
        assert find_differences(merged, outputs.values()) == {}


def test_litert_computes_the_same(merged, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    import tensorflow as tf

    merged.model.export(tmp_path / "model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "model"))
    signature = interpreter.Interpreter(model_content=converter.convert()).get_signature_runner(
        "serving_default"
    )

    outputs = signature(**merged.inputs)

    ordered = [outputs[f"output_{index}"] for index in range(len(outputs))]
    assert find_differences(merged, ordered) == {}
