"""The players inside one traced step: a state goes in, and :attr:`JaxPlayers.state` is what became
of it.

JAX differentiates pure functions, and a forward pass in training leaves running statistics behind.
So each function that is differentiated returns the whole state beside its value.
"""

import jax
from jax import Array

from gandem.core.spec import Spec, plan_spec
from gandem.core.training import Loss, MaskFeed, Played
from gandem_jax import network, optimisers

Arrays = dict[str, Array]


class JaxPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(self, spec: Spec, state: Arrays, inputs: Arrays) -> None:
        self.spec, self.plans = spec, plan_spec(spec)
        self.state = dict(state)
        self.masks = MaskFeed(inputs)

    def apply(self, player: str, **inputs: Array) -> Array:
        plan, masks = self.plans[player], self.masks.next()
        made, self.state = network.train(plan, self.state, inputs, masks)
        return made

    def play(self, player: str, **inputs: Array) -> Played:
        def run(weights: Arrays) -> tuple[Array, Arrays]:
            self.state |= weights
            return self.apply(player, **inputs), self.state

        made, pull, self.state = jax.vjp(run, self._weights(player), has_aux=True)
        return Played(made, lambda gradient: pull(gradient)[0])

    def learn(self, player: str, loss: Loss, through: Played | None = None) -> tuple[Array, Arrays]:
        def measured(given: Arrays | Array) -> tuple[Array, tuple[Arrays, Arrays]]:
            if through is None:
                self.state |= given
            else:  # only what leads to the image: no weight gradients on the way
                through.value = given
            value, report = loss()
            return value, (report, self.state)

        start = self._weights(player) if through is None else through.value
        (value, (report, self.state)), gradients = jax.value_and_grad(measured, has_aux=True)(start)
        if through is not None:
            through.value, gradients = start, through.pull(gradients)
        count = self.state[f"optimiser/{player}/updates"] + 1
        optimiser = self.spec.player(player).optimiser
        self.state |= optimisers.update(optimiser, self.state, gradients, count)
        self.state[f"optimiser/{player}/updates"] = count
        return value, report

    def average(self, player: str, decay: float) -> None:
        for name, weight in self._weights(player).items():
            average = self.state[f"average/{name}"]
            self.state[f"average/{name}"] = average * decay + weight * (1 - decay)

    def _weights(self, player: str) -> Arrays:
        return {p.name: self.state[p.name] for p in self.plans[player].parameters()}
