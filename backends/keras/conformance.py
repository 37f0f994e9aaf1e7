"""The operations of TensorFlow for the conformance suite, in float64 on the CPU."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.network import Network, from_numpy
from gandem.backends.keras.ops import KerasOps
from gandem.backends.keras.optimizers import Learner
from gandem.core.specs import SGD, NetworkPlan, Optimizer, Player
from gandem.core.training import Arrays


class KerasTarget:
    """See :class:`gandem.testing.ConformanceTarget`."""

    known_failures: Mapping[str, str] = {}

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        draws: Arrays,
    ) -> dict[str, np.ndarray]:
        layers = tuple(node.layer for node in plan.nodes)
        player = Player(
            name=plan.name, input=plan.input, layers=layers, optimizer=SGD(learning_rate=1)
        )
        network = Network(plan, player, "float64")
        for name, variable in network.arrays().items():
            variable.assign(arrays[name])
        leaves = from_numpy(plan, inputs)
        variables = {**dict(zip(plan.inputs, leaves, strict=True)), **network.variables_by_name()}
        drawn = {name: tf.constant(value) for name, value in draws.items()}
        none = tf.UnconnectedGradients.ZERO
        with tf.GradientTape() as outer:
            outer.watch(leaves)
            with tf.GradientTape() as inner:
                inner.watch(leaves)
                value = network(leaves, training=True, draws=drawn)
                scalar = tf.reduce_sum(value * cotangent)
            first = inner.gradient(scalar, variables, unconnected_gradients=none)
            penalty = tf.add_n(
                [0.5 * tf.reduce_sum(first[name] * first[name]) for name in plan.inputs]
            )
        second = outer.gradient(penalty, variables, unconnected_gradients=none)
        statistics = {p.name: network.arrays()[p.name] for p in plan.statistics()}
        derivatives = {"first": first, "second": second, "statistics": statistics}
        return {"value": value.numpy()} | {
            f"{kind}/{name}": tensor.numpy()
            for kind, tensors in derivatives.items()
            for name, tensor in tensors.items()
        }

    def gradient(
        self, function: Callable[..., Tensor], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        tensors = {name: tf.constant(value) for name, value in arrays.items()}
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(KerasOps(), **tensors)
        gradients = tape.gradient(value, tensors)
        return float(value.numpy()), {name: g.numpy() for name, g in gradients.items()}

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        parameters = {name: tf.Variable(value) for name, value in arrays.items()}
        learner = Learner(optimizer, parameters)
        after = []
        for step in gradients:
            learner.update([tf.constant(step[name]) for name in parameters])
            after.append({name: p.numpy() for name, p in parameters.items()})
        return after
