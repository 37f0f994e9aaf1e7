"""The JAX engine: a flat dictionary of arrays and a compiled step."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gandem.core.specs import Spec, plan_spec
from gandem.core.training import (
    AdversarialLoss,
    Arrays,
    Evaluation,
    Objective,
    metric_names,
    state_shapes,
    train_step,
)
from gandem_jax import network, ops
from gandem_jax.network import Network, exact
from gandem_jax.players import JaxPlayers


@lru_cache(maxsize=64)  # compiling takes seconds
def compiled_step(spec: Spec, loss_type: type[AdversarialLoss]) -> Callable:
    """Return ``step(state, inputs)``, which returns the next state and scalars; it donates the
    buffers of the state.

    Losses have no parameters, so the type is enough as a cache key.
    """
    loss = loss_type()

    def step(state: dict[str, Array], inputs: dict[str, Array]) -> tuple:
        players = JaxPlayers(spec, state, inputs)
        scalars = train_step(spec, loss, players, ops, inputs)
        return players.state, scalars

    return jax.jit(step, donate_argnums=0)


infer = jax.jit(Network.run, static_argnames="layer")


class JaxEngine:
    """See :class:`gandem.core.training.Engine`."""

    def __init__(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, device: jax.Device
    ) -> None:
        self.spec, self.loss, self.device = spec, loss, device
        self._step = compiled_step(spec, type(loss))
        self.load(state)

    def step(self, inputs: Arrays) -> Mapping[str, Array]:
        with exact():
            self.state, scalars = self._step(self.state, dict(inputs))
        return scalars

    def read(self, scalars: Mapping[str, Array]) -> dict[str, float]:
        values = jax.device_get(scalars)
        return {name: float(values[name]) for name in metric_names(self.spec)}  # JAX sorts by name

    def forward(
        self, player: str, inputs: Arrays, *, average: bool = False, layer: str = ""
    ) -> np.ndarray:
        with exact():
            return np.array(infer(self._network(player, average), dict(inputs), layer=layer))

    def differentiate(
        self, objective: Objective, constants: Arrays, *, average: bool = False
    ) -> Callable[[Arrays], Evaluation]:
        plans, prefix = plan_spec(self.spec), "average/" if average else ""
        state = {name: self.state.get(prefix + name, value) for name, value in self.state.items()}

        def compute(variables: dict, constants: dict, state: dict) -> tuple:
            def apply(player: str, observed: dict | None = None, **inputs: Array) -> Array:
                plan = plans[player]
                output, _, outputs = network.compute(plan, state, inputs, {}, training=False)
                if observed is not None:
                    observed |= outputs
                return output

            return objective(ops, apply, variables, constants)

        run = jax.jit(jax.value_and_grad(compute, has_aux=True))

        def evaluate(variables: Arrays) -> Evaluation:
            with exact(self.device):
                (value, report), gradients = run(dict(variables), dict(constants), state)
            return Evaluation(float(value), *jax.tree.map(np.array, (dict(report), gradients)))

        return evaluate

    def native(self, player: str, *, average: bool = False) -> Network:
        with exact():  # copies, since the next step donates the buffers
            return jax.tree.map(jnp.copy, self._network(player, average))

    def _network(self, player: str, average: bool) -> Network:
        """Return a network with the arrays of the state."""
        plan, prefix = plan_spec(self.spec)[player], "average/" if average else ""
        params = {p.name: self.state[f"{prefix}{p.name}"] for p in plan.parameters()}
        statistics = {p.name: self.state[p.name] for p in plan.statistics()}
        return Network(self.spec, player, params, statistics)

    def export(self) -> dict[str, np.ndarray]:
        return {name: np.array(self.state[name], order="C") for name in state_shapes(self.spec)}

    def load(self, arrays: Arrays) -> None:
        state = {name: arrays[name] for name in state_shapes(self.spec)}
        with exact():  # copies, since steps donate the buffers
            self.state = jax.device_put(state, self.device, may_alias=False)
