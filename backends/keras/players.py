"""The players in TensorFlow: gradient tapes and our own optimizers."""

from collections.abc import Mapping

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.network import Network
from gandem.backends.keras.optimizers import Learner, as_constant
from gandem.core.training import DrawFeed, Images, Loss, Played, name_outputs


class KerasPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(
        self,
        networks: Mapping[str, Network],
        learners: Mapping[str, Learner],
        copies: Mapping[str, Mapping[str, Mapping[str, tf.Variable]]],
        running: Mapping[str, tf.Variable],
    ) -> None:
        self.networks = networks
        self.learners = learners
        self.copies = copies
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

    def slope(self, player: str, images: Images, **inputs: Tensor) -> tuple[Tensor, Images]:
        images = {name: tf.stop_gradient(image) for name, image in images.items()}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            output = self.apply(player, **images, **inputs)
            score = tf.reduce_sum(output[:, :1])
        return output, tape.gradient(score, images)

    def layer_slope(self, player: str, layer: str, direction: Tensor, **inputs: Tensor) -> Tensor:
        observed: dict[str, Tensor] = {}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            # the inputs too, because no weight may come before the layer
            tape.watch([inputs, list(self.learners[player].parameters.values())])
            output = self.apply(player, observed, **inputs)
        return tape.gradient(output, observed[layer], direction)

    def kernels(self, player: str) -> list[Tensor]:
        variables, matrices = self.networks[player].variables_by_name(), []
        for name, axis in self.networks[player].plan.kernels().items():
            kernel = variables[name]
            kernel = tf.linalg.matrix_transpose(kernel) if axis == -2 else kernel
            matrices.append(tf.reshape(kernel, [-1, kernel.shape[-1]]))
        return matrices

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        weights = list(self.learners[player].parameters.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights if back else [])
            observed: dict[str, Tensor] = {}
            output = self.apply(player, observed, **inputs)
        outputs = name_outputs(self.networks[player].plan, output, observed)

        def pull(gradients: Images) -> list[Tensor]:
            outer = [gradients[name] for name in outputs]
            return tape.gradient([*outputs.values()], weights, outer)

        return Played(outputs, pull)

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
            tape.watch(weights if through is None else [through.value, weights])
            value, report = loss()
        if through is None:
            zero = tf.UnconnectedGradients.ZERO  # a penalty may not depend on all weights
            gradients = tape.gradient(value, weights, unconnected_gradients=zero)
        else:  # the loss reads the player's own weights only in penalties
            by_output, own = tape.gradient(value, [through.value, weights])
            pairs = zip(through.pull(by_output), own, strict=True)
            gradients = [pulled if g is None else pulled + g for pulled, g in pairs]

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
            average = self.copies["average"][player][name]
            kept, taken = (as_constant(share, average) for share in (decay, 1 - decay))
            average.assign(average * kept + parameter * taken)

    def look_back(self, player: str, share: Tensor) -> None:
        for name, parameter in self.learners[player].parameters.items():
            copy = self.copies["lookahead"][player][name]
            copy.assign(copy * (1.0 - share) + parameter * share)
            parameter.assign(copy)

    def get_running(self, name: str) -> Tensor:
        return self.running[name].read_value()

    def set_running(self, name: str, value: Tensor) -> None:
        self.running[name].assign(value)
