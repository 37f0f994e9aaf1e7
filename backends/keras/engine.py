"""A spec alive on Keras and TensorFlow; the step is one compiled tf.function."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.network import Network, from_numpy
from gandem.backends.keras.ops import KerasOps
from gandem.backends.keras.optimisers import Learner
from gandem.backends.keras.players import KerasPlayers
from gandem.core.spec import Spec, plan_spec
from gandem.core.training import Arrays, ObjectiveRule, averaged_players, state_shapes, train_step


class KerasEngine:
    """See :class:`gandem.core.training.Engine`."""

    def __init__(
        self, spec: Spec, objective: ObjectiveRule, arrays: Arrays, precision: str, device: str
    ) -> None:
        self.spec, self.objective, self.device = spec, objective, device
        self.ops = KerasOps()
        with tf.device(device):
            self.networks = {
                name: Network(plan, spec.player(name), precision)
                for name, plan in plan_spec(spec).items()
            }
            weights = {name: network.variables_by_name() for name, network in self.networks.items()}
            self.learners = {p.name: Learner(p.optimiser, weights[p.name]) for p in spec.players}
            self.averages = {
                name: {k: tf.Variable(v, trainable=False) for k, v in weights[name].items()}
                for name in averaged_players(spec)
            }
        self.players = KerasPlayers(self.networks, self.learners, self.averages)
        self._compiled = tf.function(self._step, autograph=False)
        self._runs = {
            name: tf.function(network, autograph=False) for name, network in self.networks.items()
        }
        self.load(arrays)

    def _step(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        self.players.begin(inputs)
        return train_step(self.spec, self.objective, self.players, self.ops, inputs)

    def step(self, inputs: Arrays) -> Mapping[str, Tensor]:
        with tf.device(self.device):
            return self._compiled({k: tf.convert_to_tensor(v) for k, v in inputs.items()})

    def read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        return {name: float(scalar.numpy()) for name, scalar in scalars.items()}

    def forward(self, player: str, inputs: Arrays, *, average: bool = False) -> np.ndarray:
        run = self.native(player, average=True) if average else self._runs[player]
        with tf.device(self.device):
            return run(from_numpy(self.networks[player].plan, inputs)).numpy()

    def native(self, player: str, *, average: bool = False) -> Network:
        network = self.networks[player]
        with tf.device(self.device):
            copy = Network(network.plan, network.player, network.dtype)
        averages = self.averages[player] if average else {}
        for name, variable in copy.arrays().items():
            variable.assign(averages.get(name, network.arrays()[name]))
        return copy

    def export(self) -> dict[str, np.ndarray]:
        spots = self._spots()
        return {
            name: np.ascontiguousarray(spots[name].numpy())
            if shape
            else np.array(spots[name].numpy())
            for name, shape in state_shapes(self.spec).items()
        }

    def load(self, arrays: Arrays) -> None:
        for name, variable in self._spots().items():
            variable.assign(arrays[name])

    def _spots(self) -> dict[str, tf.Variable]:
        """Return where each array of the state lives."""
        spots: dict[str, tf.Variable] = {}
        for player, network in self.networks.items():
            spots |= network.arrays()
            learner = self.learners[player]
            for (name, slot), variable in learner.slots.items():
                spots[f"optimiser/{name}/{slot}"] = variable
            spots[f"optimiser/{player}/updates"] = learner.updates
            spots |= {f"average/{k}": v for k, v in self.averages.get(player, {}).items()}
        return spots
