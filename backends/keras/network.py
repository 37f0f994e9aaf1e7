"""A player's network as a ``keras.Model``, which can be saved as ``.keras``.

To load such a file, import the class first, as with every custom class::

    import gandem.backends.keras.network
    generator = keras.saving.load_model("generator.keras")
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers import Context, Layer, chain, run
from gandem.core.fields import decode, encode
from gandem.core.specs import REFERENCE, NetworkPlan, Player, Shape, plan_player


@keras.saving.register_keras_serializable(package="gandem")
class Network(keras.Model):
    """A network built from its plan.

    Call it with its inputs in the plan's order, e.g. ``generator(noise)`` or
    ``discriminator([image, label])``: vectors are (N, features), labels (N, classes) class weights,
    images (N, H, W, C).
    """

    mixed = False
    """True if products are rounded to bfloat16 in training."""

    def __init__(self, plan: NetworkPlan, player: Player, dtype: str = "float32", **_: Any) -> None:
        super().__init__(name=plan.name, dtype=dtype)
        self.plan, self.player = plan, player
        self.nodes = chain(plan.nodes, dtype)
        self.built = True

    def call(
        self,
        inputs: Tensor | list[Tensor],
        training: bool = False,
        draws: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        return self.observe(inputs, training, draws)[0]

    def observe(
        self,
        inputs: Tensor | list[Tensor],
        training: bool = False,
        draws: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the output, and by name the outputs of the layers in the player's ``outputs``."""
        tensors = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if len(tensors) != len(self.plan.inputs):
            raise TypeError(
                f"{self.plan.name}: expected the inputs {', '.join(self.plan.inputs)}, "
                f"received {len(tensors)}."
            )
        return self.run(dict(zip(self.plan.inputs, tensors, strict=True)), "", training, draws)

    def run(
        self,
        inputs: Mapping[str, Tensor],
        layer: str = "",
        training: bool = False,
        draws: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the output of a layer, by default the last, and those of the layers in the
        player's ``outputs`` up to there, from inputs by name, or from the outputs of layers,
        ``layer:NAME``.
        """
        part, training = self.plan.part(inputs, layer), bool(training)
        context = Context(dict(inputs), draws or {}, training, self.mixed and training)
        output = run(self.nodes[part], inputs[self.plan.start_of(part)], context)
        read = ((name, REFERENCE + name) for name in self.plan.outputs)
        return output, {k: context.inputs[name] for k, name in read if name in context.inputs}

    def arrays(self) -> dict[str, tf.Variable]:
        """Return parameters and running statistics by canonical name."""
        arrays = {}
        for layer in _walk(self.nodes):
            arrays |= {name: weight.value for name, weight in layer.arrays.items()}
        return arrays

    def variables_by_name(self) -> dict[str, tf.Variable]:
        """Return the parameters, in canonical order."""
        arrays = self.arrays()
        return {p.name: arrays[p.name] for p in self.plan.parameters()}

    def trained(self) -> dict[str, tf.Variable]:
        """Return the parameters of layers that are not frozen, in canonical order."""
        arrays = self.arrays()
        return {p.name: arrays[p.name] for p in self.plan.trained()}

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (None, *self.plan.output_shape)  # type: ignore[return-value]

    def get_config(self) -> dict[str, Any]:
        return {
            "player": encode(self.player),
            "inputs": {name: list(shape) for name, shape in self.plan.inputs.items()},
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Network":
        player: Player = decode(Player, config["player"])
        inputs = {name: tuple(shape) for name, shape in config["inputs"].items()}
        return cls(plan_player(player, inputs), player, config["dtype"])


def from_numpy(plan: NetworkPlan, inputs: Mapping[str, np.ndarray]) -> list[Tensor]:
    """Convert arrays to tensors in the order of the network."""
    return [tf.convert_to_tensor(inputs[name]) for name in plan.inputs]


def _walk(layers: list[Layer]) -> Iterator[Layer]:
    for layer in layers:
        for name in layer.node.branches:
            yield from _walk(layer.branch(name))
        yield layer
