"""The JAX backend: its versions, devices, engines, and single operations for tests."""

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from gandem.core.errors import BackendError
from gandem.core.specs import NetworkPlan, Optimizer, Spec
from gandem.core.training import AdversarialLoss, Arrays, Derivatives, Engine
from gandem_jax import network, ops, optimizers
from gandem_jax.engine import JaxEngine
from gandem_jax.network import exact


class JaxBackend:
    """See :class:`gandem.core.training.Backend`."""

    capabilities = ("conditional", "spectral-norm", "second-order", "float64", "resume", "gpu")
    known_failures: Mapping[str, str] = {}

    def versions(self) -> dict[str, str]:
        found = {"jax": jax.__version__, "jaxlib": jaxlib.__version__}
        return {**found, "python": platform.python_version()}

    def devices(self) -> list[str]:
        return list(_devices())

    def engine(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, *, precision: str, device: str
    ) -> Engine:
        there = _devices()
        found = there.get("cuda:0" if device == "cuda" else device)
        if found is None:
            raise BackendError(f"JAX sees no device {device!r}; it has {', '.join(there)}.")
        return JaxEngine(spec, loss, state, found)  # the types of the state say the precision

    @exact("cpu")
    def differentiate(
        self, plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: ArrayLike, masks: Arrays
    ) -> Derivatives:
        def scalar(targets: dict[str, Array]) -> tuple[Array, tuple]:
            value, after = network.train(plan, {**arrays, **targets}, targets, masks)
            return jnp.sum(value * cotangent), (value, after)

        def penalty(targets: dict[str, Array]) -> tuple[Array, tuple]:
            first, made = jax.grad(scalar, has_aux=True)(targets)
            return sum(0.5 * jnp.sum(first[name] ** 2) for name in plan.inputs), (first, *made)

        targets = {**inputs, **{p.name: arrays[p.name] for p in plan.parameters()}}
        once = {"xla_backend_optimization_level": 0}  # compiled to run once
        measure = jax.jit(jax.grad(penalty, has_aux=True), compiler_options=once)
        second, (first, value, after) = jax.tree.map(np.array, measure(targets))
        return Derivatives(value, first, second, {p.name: after[p.name] for p in plan.statistics()})

    @exact("cpu")
    def gradient(
        self, function: Callable[..., Array], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        value, found = jax.value_and_grad(lambda tensors: function(ops, **tensors))(dict(arrays))
        return float(value), jax.tree.map(np.array, found)

    @exact("cpu")
    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        slots = [(name, slot) for name in arrays for slot in optimizer.slots]
        start = {f"optimizer/{name}/{slot}": np.zeros_like(arrays[name]) for name, slot in slots}
        state, after = {**arrays, **start}, []
        update = jax.jit(partial(optimizers.update, optimizer))
        for count, given in enumerate(gradients, start=1):
            state = update(state, given, count)
            after.append({name: np.array(state[name]) for name in arrays})
        return after


def _devices() -> dict[str, jax.Device]:
    """Return JAX's devices by gandem's names."""
    found = {"cpu": jax.devices("cpu")[0]}
    return found | {f"cuda:{d.id}": d for d in jax.devices() if d.platform == "gpu"}
