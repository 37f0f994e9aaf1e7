"""The players inside one traced step; the result is :attr:`JaxPlayers.state`.

JAX differentiates pure functions, but a forward pass in training updates running statistics.
Therefore each differentiated function also returns the whole state.
"""

import jax
import jax.numpy as jnp
from jax import Array

from gandem.core.specs import REFERENCE, Spec, at_step, plan_spec
from gandem.core.training import DrawFeed, Loss, Played, name_outputs
from gandem_jax import network, optimizers

Arrays = dict[str, Array]


class JaxPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(self, spec: Spec, state: Arrays, inputs: Arrays) -> None:
        self.spec, self.plans = spec, plan_spec(spec)
        self.state = dict(state)
        self.inputs, self.draws = inputs, DrawFeed(inputs)

    def apply(self, player: str, observed: Arrays | None = None, **inputs: Array) -> Array:
        plan, draws = self.plans[player], self.draws.next()
        output, self.state, outputs = network.compute(
            plan, self.state, inputs, draws, training=True
        )
        if observed is not None:
            observed |= outputs
        return output

    def slope(self, player: str, images: Arrays, **inputs: Array) -> tuple[Array, Arrays]:
        def score(images: Arrays) -> tuple[Array, tuple[Array, Arrays]]:
            output = self.apply(player, **images, **inputs)
            return output[:, :1].sum(), (output, self.state)

        slopes, (output, self.state) = jax.grad(score, has_aux=True)(images)
        return output, slopes

    def layer_slope(self, player: str, layer: str, direction: Array, **inputs: Array) -> Array:
        plan, draws = self.plans[player], self.draws.next()
        _, state, outputs = network.compute(plan, self.state, inputs, draws, training=True)

        def project(value: Array) -> Array:
            given = {**inputs, REFERENCE + layer: value}
            output = network.compute(plan, self.state, given, draws, training=True)[0]
            return (output * direction).sum()

        slope = jax.grad(project)(outputs[layer])
        self.state = state
        return slope

    def kernels(self, player: str) -> list[Array]:
        matrices = []
        for name, axis in self.plans[player].kernels().items():
            kernel = jnp.moveaxis(self.state[name], axis, -1)
            matrices.append(kernel.reshape(-1, kernel.shape[-1]))
        return matrices

    def play(self, player: str, *, back: bool = True, **inputs: Array) -> Played:
        def run(weights: Arrays) -> tuple[Arrays, Arrays]:
            self.state |= weights
            observed: Arrays = {}
            output = self.apply(player, observed, **inputs)
            return name_outputs(self.plans[player], output, observed), self.state

        outputs, pull, self.state = jax.vjp(run, self._weights(player), has_aux=True)
        return Played(outputs, lambda gradients: pull(gradients)[0])

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Array | None = None,
    ) -> tuple[Array, Arrays]:
        outputs = None if through is None else through.value

        def measure(weights: Arrays, outputs: Arrays | None) -> tuple[Array, tuple[Arrays, Arrays]]:
            self.state |= weights
            if through is not None:
                through.value = outputs
            value, report = loss()
            return value, (report, self.state)

        differentiate = jax.value_and_grad(measure, argnums=(0, 1), has_aux=True)
        (value, (report, self.state)), (gradients, by_output) = differentiate(
            self._weights(player), outputs
        )
        if through is not None:  # the loss reads the player's own weights only in penalties
            through.value, pulled = outputs, through.pull(by_output)
            gradients = {name: pulled[name] + own for name, own in gradients.items()}
        count = self.state[f"optimizer/{player}/updates"] + 1
        optimizer = self.spec.player(player).optimizer
        optimizer = at_step(optimizer, f"{player}.optimizer", self.inputs)
        after = optimizers.update(optimizer, self.state, gradients, count)
        after[f"optimizer/{player}/updates"] = count
        learns = True if floor is None else value >= jnp.asarray(floor, value.dtype)
        self.state |= {k: jnp.where(learns, new, self.state[k]) for k, new in after.items()}
        return value, report

    def clip(self, player: str, limit: float | Array) -> None:
        for name, weight in self._weights(player).items():
            bound = jnp.asarray(limit, weight.dtype)
            self.state[name] = jnp.clip(weight, -bound, bound)

    def average(self, player: str, decay: float | Array) -> None:
        for name, weight in self._weights(player).items():
            average = self.state[f"average/{name}"]
            kept, taken = (jnp.asarray(share, weight.dtype) for share in (decay, 1 - decay))
            self.state[f"average/{name}"] = average * kept + weight * taken

    def look_back(self, player: str, share: Array) -> None:
        for name, weight in self._weights(player).items():
            copy = self.state[f"lookahead/{name}"] * (1 - share) + weight * share
            self.state |= {name: copy, f"lookahead/{name}": copy}

    def get_running(self, name: str) -> Array:
        return self.state[f"running/{name}"]

    def set_running(self, name: str, value: Array) -> None:
        self.state[f"running/{name}"] = value

    def _weights(self, player: str) -> Arrays:
        return {p.name: self.state[p.name] for p in self.plans[player].trained()}
