"""The plan of a network: nodes with their shapes and arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gandem.core.specs.initializers import Initializer
from gandem.core.specs.layers import Layer

__all__ = ["NetworkPlan", "Node", "Parameter", "Resolved", "Shape", "Site"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An array of a layer: its canonical name, shape and initializer. The layer computes with
    ``multiplier`` times the array.
    """

    name: str
    shape: Shape
    initializer: Initializer
    fan_in: int = 1
    fan_out: int = 1
    multiplier: float = 1.0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """A layer of a plan. ``path`` is its canonical name, e.g. ``"generator/conv2d_1"``; shapes are
    without the batch axis.
    """

    path: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]
    statistics: tuple[Parameter, ...]
    branches: Mapping[str, tuple[Node, ...]]

    def walk(self) -> Iterator[Node]:
        """Yield the nodes inside this node, then the node, in order of computation."""
        for branch in self.branches.values():
            for node in branch:
                yield from node.walk()
        yield self


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A whole network: ``input`` is the input of the first node; ``inputs`` are the shapes of all
    inputs that it reads.
    """

    name: str
    input: str
    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    output_shape: Shape

    def walk(self) -> Iterator[Node]:
        """Yield every node, inner ones too, in order of computation."""
        for node in self.nodes:
            yield from node.walk()

    def parameters(self) -> list[Parameter]:
        """Return the trained parameters, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.parameters]

    def statistics(self) -> list[Parameter]:
        """Return the running statistics, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.statistics]

    def dropouts(self) -> list[Node]:
        """Return the nodes that need a mask, in order of computation."""
        return [node for node in self.walk() if node.layer.draws_mask]

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.size for parameter in self.parameters())


@dataclass(frozen=True, slots=True)
class Site:
    """The position of a layer: its path, its input shape, and the inputs of the network.

    ``inner`` are the nodes of the layers inside it, which are planned first.
    """

    path: str
    shape: Shape
    inputs: Mapping[str, Shape]
    inner: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The output shape of a layer, and its arrays by their short names."""

    output: Shape
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Parameter] = field(default_factory=dict)
