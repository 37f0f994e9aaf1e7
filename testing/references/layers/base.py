"""What the references of all layers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np

from gandem.core.specs import Layer, Node
from gandem.core.training import Arrays
from gandem.testing.references.dual_numbers import Dual


@dataclass(slots=True)
class Network:
    """The arrays that the layers of one forward pass read, with the outputs of the layers so far,
    and the running statistics after it.
    """

    values: dict[str, Dual]
    statistics: dict[str, np.ndarray]
    draws: Arrays
    updated: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, nodes: Sequence[Node], x: Dual) -> Dual:
        """Run layers on ``x`` (U, N, ...)."""
        for node in nodes:
            x = forward(node.layer, x, node, self)
            if x.a.shape[2:] != node.output_shape:
                raise AssertionError(f"{node.path}: {x.a.shape[2:]}, expected {node.output_shape}")
            self.values[node.reference] = x
        return x

    def read(self, node: Node, branch: str) -> Dual:
        """Return the result of a branch of a layer on the input that it reads."""
        return self.run(node.branches[branch], self.values[node.reads])

    def parameter(self, node: Node, name: str) -> Dual:
        """Return a parameter of a layer, (U, ...)."""
        return self.values[f"{node.path}/{name}"]


@singledispatch
def forward(layer: Layer, x: Dual, node: Node, network: Network) -> Dual:
    """Run one layer in training mode."""
    raise NotImplementedError(f"The reference has no layer {layer.kind!r}; add it here.")


def concatenate(parts: Sequence[Dual]) -> Dual:
    """Join arrays along their last axis."""
    return Dual(
        np.concatenate([part.a for part in parts], -1),
        np.concatenate([part.b for part in parts], -1),
    )
