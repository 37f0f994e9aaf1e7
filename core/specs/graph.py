"""The plan of a network as data: nodes with their shapes, and the arrays that they own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gandem.core.specs.initializers import Initializer
from gandem.core.specs.layers import Dropout, Layer

__all__ = ["NetworkPlan", "Node", "Parameter", "Resolved", "Shape", "Site"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An array that a layer owns: its canonical name, shape and first value."""

    name: str
    shape: Shape
    initializer: Initializer
    fan_in: int = 1
    fan_out: int = 1

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """A layer in its place.  ``path`` is its canonical name, e.g. ``"generator/conv2d_1"``; shapes
    are without batch.
    """

    path: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]
    statistics: tuple[Parameter, ...]
    branches: Mapping[str, tuple[Node, ...]]

    def walk(self) -> Iterator[Node]:
        """Yield this node and those inside it, in the order they compute."""
        for branch in self.branches.values():
            for node in branch:
                yield from node.walk()
        yield self


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A whole network: ``input`` enters the first node; ``inputs`` are the shapes of all that it
    reads.
    """

    name: str
    input: str
    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    output_shape: Shape

    def walk(self) -> Iterator[Node]:
        """Yield every node, inner ones too, in the order they compute."""
        for node in self.nodes:
            yield from node.walk()

    def parameters(self) -> list[Parameter]:
        """Return the trained parameters, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.parameters]

    def statistics(self) -> list[Parameter]:
        """Return the running statistics, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.statistics]

    def dropouts(self) -> list[Node]:
        """Return the dropout layers, in the order they compute."""
        return [node for node in self.walk() if isinstance(node.layer, Dropout)]

    @property
    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(parameter.size for parameter in self.parameters())


@dataclass(frozen=True, slots=True)
class Site:
    """Where a layer stands: its path, the shape that enters it, and what the network may read.

    ``inner`` are the nodes of the layers inside it, which are planned first.
    """

    path: str
    shape: Shape
    inputs: Mapping[str, Shape]
    inner: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a layer does to a shape, and which arrays it owns, by their short names."""

    output: Shape
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Parameter] = field(default_factory=dict)
