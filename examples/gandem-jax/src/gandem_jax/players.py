"""The players inside one traced step; the result is :attr:`JaxPlayers.state`.

JAX differentiates pure functions, but a forward pass in training updates running statistics.
Therefore each differentiated function also returns the whole state.
"""

import jax
import jax.numpy as jnp
from jax import Array

from gandem.core.specs import Spec, at_step, plan_spec
from gandem.core.training import DrawFeed, Loss, Played
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
        output, self.state, outputs = network.train(plan, self.state, inputs, draws)
        if observed is not None:
            observed |= outputs
        return output

    def slope(self, player: str, image: Array, **inputs: Array) -> Array:
        def score(image: Array) -> tuple[Array, Arrays]:
            return self.apply(player, image=image, **inputs)[:, :1].sum(), self.state

        slope, self.state = jax.grad(score, has_aux=True)(image)
        return slope

    def kernels(self, player: str) -> list[Array]:
        matrices = []
        for name, axis in self.plans[player].kernels().items():
            kernel = jnp.moveaxis(self.state[name], axis, -1)
            matrices.append(kernel.reshape(-1, kernel.shape[-1]))
        return matrices

    def play(self, player: str, *, back: bool = True, **inputs: Array) -> Played:
        def run(weights: Arrays) -> tuple[Array, Arrays]:
            self.state |= weights
            return self.apply(player, **inputs), self.state

        output, pull, self.state = jax.vjp(run, self._weights(player), has_aux=True)
        return Played(output, lambda gradient: pull(gradient)[0])

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Array | None = None,
    ) -> tuple[Array, Arrays]:
        image = None if through is None else through.value

        def measure(weights: Arrays, image: Array | None) -> tuple[Array, tuple[Arrays, Arrays]]:
            self.state |= weights
            if through is not None:
                through.value = image
            value, report = loss()
            return value, (report, self.state)

        differentiate = jax.value_and_grad(measure, argnums=(0, 1), has_aux=True)
        (value, (report, self.state)), (gradients, first) = differentiate(
            self._weights(player), image
        )
        if through is not None:  # the loss reads the weights only in penalties
            through.value, pulled = image, through.pull(first)
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

    def get_running(self, name: str) -> Array:
        return self.state[f"running/{name}"]

    def set_running(self, name: str, value: Array) -> None:
        self.state[f"running/{name}"] = value

    def _weights(self, player: str) -> Arrays:
        return {p.name: self.state[p.name] for p in self.plans[player].parameters()}
