"""A spec alive on JAX: a flat dictionary of arrays, and a compiled step from one to the next."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gandem.core.plugins.registry import load_loss
from gandem.core.specs import Spec, plan_spec
from gandem.core.training import Arrays, Stage, metric_names, state_shapes, train_step
from gandem_jax import ops
from gandem_jax.network import Network, exact
from gandem_jax.players import JaxPlayers


@lru_cache(maxsize=64)  # engines of one spec share what took seconds to compile
def compiled_step(spec: Spec) -> Callable:
    """Return ``step(state, inputs)``, which takes a state apart to make the next, and scalars."""
    loss = load_loss(spec.loss)

    def step(state: dict[str, Array], inputs: dict[str, Array]) -> tuple:
        players = JaxPlayers(spec, state, inputs)
        scalars = train_step(spec, loss, players, ops, inputs)
        return players.state, scalars

    return jax.jit(step, donate_argnums=0)


def compiled_part(spec: Spec, stage: Stage) -> Callable:
    """Return ``part(state, inputs)``, which goes only so far and keeps the state."""
    loss = load_loss(spec.loss)

    def part(state: dict[str, Array], inputs: dict[str, Array]) -> tuple:
        players = JaxPlayers(spec, state, inputs, stage)
        return train_step(spec, loss, players, ops, inputs), players.unread

    return jax.jit(part)


infer = jax.jit(Network.__call__)


class JaxEngine:
    """See :class:`gandem.core.training.Engine`."""

    def __init__(self, spec: Spec, arrays: Arrays, device: jax.Device) -> None:
        self.spec, self.device = spec, device
        self._step = compiled_step(spec)
        self.load(arrays)

    def step(self, inputs: Arrays) -> Mapping[str, Array]:
        with exact():
            self.state, scalars = self._step(self.state, dict(inputs))
        return scalars

    def until(self, stage: Stage) -> Callable[[Arrays], None]:
        part = compiled_part(self.spec, stage)

        def run(inputs: Arrays) -> None:
            with exact():
                if stage == "transfer":
                    made = jax.device_put(dict(inputs), self.device)
                else:
                    made = part(self.state, dict(inputs))
            jax.block_until_ready(made)

        return run

    def read(self, scalars: Mapping[str, Array]) -> dict[str, float]:
        values = jax.device_get(scalars)
        return {name: float(values[name]) for name in metric_names(self.spec)}  # JAX sorts by name

    def forward(self, player: str, inputs: Arrays, *, average: bool = False) -> np.ndarray:
        network = self.native(player, average=average)
        with exact():
            return np.array(infer(network, *(inputs[name] for name in network.plan.inputs)))

    def native(self, player: str, *, average: bool = False) -> Network:
        plan, prefix = plan_spec(self.spec)[player], "average/" if average else ""
        with exact():  # copies, since the next step takes the state apart
            params = {p.name: jnp.copy(self.state[f"{prefix}{p.name}"]) for p in plan.parameters()}
            statistics = {p.name: jnp.copy(self.state[p.name]) for p in plan.statistics()}
        return Network(self.spec, player, params, statistics)

    def export(self) -> dict[str, np.ndarray]:
        return {name: np.array(self.state[name], order="C") for name in state_shapes(self.spec)}

    def load(self, arrays: Arrays) -> None:
        names = state_shapes(self.spec)
        with exact():  # copies, since steps write where the state lies
            self.state = {name: jnp.array(arrays[name], device=self.device) for name in names}
