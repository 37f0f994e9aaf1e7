"""The players in TensorFlow: gradient tapes and our own optimizers."""

from collections.abc import Mapping

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.network import Network
from gandem.backends.keras.optimizers import Learner, as_constant
from gandem.core.training import DrawFeed, Loss, Played


class KerasPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(
        self,
        networks: Mapping[str, Network],
        learners: Mapping[str, Learner],
        averages: Mapping[str, Mapping[str, tf.Variable]],
        running: Mapping[str, tf.Variable],
    ) -> None:
        self.networks = networks
        self.learners = learners
        self.averages = averages
        self.running = running
        self.inputs: Mapping[str, Tensor] = {}
        self.draws = DrawFeed({})

    def begin(self, inputs: Mapping[str, Tensor]) -> None:
        """Start a step: number its passes from 0."""
        self.inputs, self.draws = inputs, DrawFeed(inputs)

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> Tensor:
        network = self.networks[player]
        read = [inputs[name] for name in network.plan.inputs]
        output, outputs = network.observe(read, training=True, draws=self.draws.next())
        if observed is not None:
            observed |= outputs
        return output

    def slope(self, player: str, image: Tensor, **inputs: Tensor) -> Tensor:
        image = tf.stop_gradient(image)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(image)
            score = tf.reduce_sum(self.apply(player, image=image, **inputs)[:, :1])
        return tape.gradient(score, image)

    def kernels(self, player: str) -> list[Tensor]:
        matrices = []
        for name, axis in self.networks[player].plan.kernels().items():
            kernel = self.learners[player].parameters[name]
            kernel = tf.linalg.matrix_transpose(kernel) if axis == -2 else kernel
            matrices.append(tf.reshape(kernel, [-1, kernel.shape[-1]]))
        return matrices

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        weights = list(self.learners[player].parameters.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights if back else [])
            output = self.apply(player, **inputs)
        return Played(output, lambda gradient: tape.gradient(output, weights, gradient))

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Tensor | None = None,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        learner = self.learners[player]
        weights = list(learner.parameters.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights if through is None else [through.value, *weights])
            value, report = loss()
        if through is None:
            gradients = tape.gradient(value, weights)
        else:  # only the gradient of the image, no weight gradients of the other player
            first, *rest = tape.gradient(value, [through.value, *weights])
            pairs = zip(through.pull(first), rest, strict=True)
            gradients = [pulled if own is None else pulled + own for pulled, own in pairs]

        def update() -> Tensor:
            learner.update(gradients, self.inputs, f"{player}.optimizer")
            return True

        if floor is None:
            update()
        else:
            tf.cond(value < as_constant(floor, value), lambda: False, update)
        return value, report

    def clip(self, player: str, limit: float | Tensor) -> None:
        for parameter in self.learners[player].parameters.values():
            bound = as_constant(limit, parameter)
            parameter.assign(tf.clip_by_value(parameter, -bound, bound))

    def average(self, player: str, decay: float | Tensor) -> None:
        for name, parameter in self.learners[player].parameters.items():
            average = self.averages[player][name]
            kept, taken = (as_constant(share, average) for share in (decay, 1 - decay))
            average.assign(average * kept + parameter * taken)

    def get_running(self, name: str) -> Tensor:
        return self.running[name].read_value()

    def set_running(self, name: str, value: Tensor) -> None:
        self.running[name].assign(value)
