"""The operations of JAX for gandem's conformance suite, in float64 on the CPU."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from gandem.core.specs import NetworkPlan, Optimizer
from gandem.core.training import Arrays
from gandem_jax import network, ops, optimizers
from gandem_jax.network import exact


class JaxTarget:
    """See :class:`gandem.testing.ConformanceTarget`."""

    known_failures: Mapping[str, str] = {}

    @exact("cpu")
    def differentiate(
        self, plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: ArrayLike, draws: Arrays
    ) -> dict[str, np.ndarray]:
        def scalar(variables: dict[str, Array]) -> tuple[Array, tuple]:
            start = {**arrays, **variables}
            value, after, _ = network.compute(plan, start, variables, draws, training=True)
            return jnp.sum(value * cotangent), (value, after)

        def penalty(variables: dict[str, Array]) -> tuple[Array, tuple]:
            first, results = jax.grad(scalar, has_aux=True)(variables)
            return sum(0.5 * jnp.sum(first[name] ** 2) for name in plan.inputs), (first, *results)

        variables = {**inputs, **{p.name: arrays[p.name] for p in plan.parameters()}}
        once = {"xla_backend_optimization_level": 0}  # compiled to run once
        measure = jax.jit(jax.grad(penalty, has_aux=True), compiler_options=once)
        second, (first, value, after) = jax.tree.map(np.array, measure(variables))
        statistics = {p.name: after[p.name] for p in plan.statistics()}
        derivatives = {"first": first, "second": second, "statistics": statistics}
        return {"value": value} | {
            f"{kind}/{name}": array
            for kind, group in derivatives.items()
            for name, array in group.items()
        }

    @exact("cpu")
    def gradient(
        self, function: Callable[..., Array], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        value, gradient = jax.value_and_grad(lambda tensors: function(ops, **tensors))(dict(arrays))
        return float(value), jax.tree.map(np.array, gradient)

    @exact("cpu")
    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        slots = [(name, slot) for name in arrays for slot in optimizer.slots]
        start = {f"optimizer/{name}/{slot}": np.zeros_like(arrays[name]) for name, slot in slots}
        state, after = {**arrays, **start}, []
        update = jax.jit(partial(optimizers.update, optimizer))
        for count, step in enumerate(gradients, start=1):
            state = update(state, step, count)
            after.append({name: np.array(state[name]) for name in arrays})
        return after
