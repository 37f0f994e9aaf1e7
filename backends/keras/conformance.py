"""Single operations of TensorFlow for the conformance tests, in float64 on the CPU."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.network import Network, from_numpy
from gandem.backends.keras.ops import KerasOps
from gandem.backends.keras.optimizers import Learner
from gandem.core.specs import SGD, NetworkPlan, Optimizer, Player
from gandem.core.training import Arrays, Derivatives


def differentiate(
    plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: np.ndarray, masks: Arrays
) -> Derivatives:
    """See :meth:`gandem.core.training.Backend.differentiate`."""
    layers = tuple(node.layer for node in plan.nodes)
    player = Player(name=plan.name, input=plan.input, layers=layers, optimizer=SGD(learning_rate=1))
    network = Network(plan, player, "float64")
    for name, variable in network.arrays().items():
        variable.assign(arrays[name])
    leaves = from_numpy(plan, inputs)
    weights = network.variables_by_name()
    targets = [*leaves, *weights.values()]
    none = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        outer.watch(leaves)
        with tf.GradientTape() as inner:
            inner.watch(leaves)
            value = network(
                leaves, training=True, masks={k: tf.constant(v) for k, v in masks.items()}
            )
            scalar = tf.reduce_sum(value * cotangent)
        first = inner.gradient(scalar, targets, unconnected_gradients=none)
        penalty = tf.add_n([0.5 * tf.reduce_sum(g * g) for g in first[: len(leaves)]])
    second = outer.gradient(penalty, targets, unconnected_gradients=none)
    names = [*plan.inputs, *weights]

    def named(found: list[Tensor]) -> dict[str, np.ndarray]:
        return {name: tensor.numpy() for name, tensor in zip(names, found, strict=True)}

    statistics = {p.name: network.arrays()[p.name].numpy() for p in plan.statistics()}
    return Derivatives(value.numpy(), named(first), named(second), statistics)


def gradient(
    function: Callable[..., Tensor], arrays: Arrays
) -> tuple[float, dict[str, np.ndarray]]:
    """See :meth:`gandem.core.training.Backend.gradient`."""
    tensors = {name: tf.constant(value) for name, value in arrays.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(KerasOps(), **tensors)
    found = tape.gradient(value, tensors)
    return float(value.numpy()), {name: g.numpy() for name, g in found.items()}


def optimize(
    optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
) -> list[dict[str, np.ndarray]]:
    """See :meth:`gandem.core.training.Backend.optimize`."""
    parameters = {name: tf.Variable(value) for name, value in arrays.items()}
    learner = Learner(optimizer, parameters)
    after = []
    for given in gradients:
        learner.update([tf.constant(given[name]) for name in parameters])
        after.append({name: p.numpy() for name, p in parameters.items()})
    return after
