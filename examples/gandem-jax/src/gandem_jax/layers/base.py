"""What all layers have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jax import Array

from gandem.core import specs as kinds
from gandem.core.specs import Node

LAYERS: dict[type[kinds.Layer], Callable[[Any, Array, "Context"], Array]] = {}
"""The function of each kind of layer: of the layer, the features and their context."""


@dataclass
class Context:
    """What flows beside the features: all arrays by canonical name, which training replaces; the
    network's inputs, and the outputs of layers that others read; dropout masks and pixel noise by
    the path of their layer; the node at hand.
    """

    arrays: dict[str, Array]
    inputs: dict[str, Array]
    draws: Mapping[str, Array]
    training: bool
    node: Node | None = None

    def __getitem__(self, name: str) -> Array:
        """Return an array of the layer at hand by its short name."""
        return self.arrays[f"{self.node.path}/{name}"]

    def __setitem__(self, name: str, value: Array) -> None:
        self.arrays[f"{self.node.path}/{name}"] = value


def run(nodes: Sequence[Node], x: Array, context: Context) -> Array:
    """Compute layers one after another."""
    for node in nodes:
        if type(node.layer) not in LAYERS:
            raise TypeError(f"{node.path}: the JAX backend does not know {node.layer.kind!r}.")
        x = LAYERS[type(node.layer)](node.layer, x, replace(context, node=node))
        if node.is_read:
            context.inputs[node.reference] = x
    return x


def read(branch: str, at: Context) -> Array:
    """Compute a branch of the layer at hand on the input that it reads."""
    return run(at.node.branches[branch], at.inputs[at.node.reads], at)
