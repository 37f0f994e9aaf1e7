"""The plan of a network: nodes with their shapes and arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.specs.initializers import Initializer
from gandem.core.specs.layers import Layer

__all__ = ["REFERENCE", "NetworkPlan", "Node", "Parameter", "Resolved", "Scope", "Shape", "Site"]

Shape = tuple[int, ...]
REFERENCE = "layer:"
"""The prefix of an input that is the output of an earlier layer: ``"layer:stem"``."""


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

    Attributes:
        reads: the input of the network, or the earlier layer, that it reads; empty if none.
        is_read: its output is read elsewhere too: by a later layer, or by a loss.
        kept: numbers of each sample that it keeps for its gradient beside its output.
    """

    path: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]
    statistics: tuple[Parameter, ...]
    branches: Mapping[str, tuple[Node, ...]]
    reads: str = ""
    is_read: bool = False
    kept: int = 0

    @property
    def reference(self) -> str:
        """The name under which other layers read its output: ``"layer:conv2d_1"``."""
        return REFERENCE + self.path.partition("/")[2]

    @property
    def draw_shape(self) -> Shape:
        """Shape of the random numbers that it takes, without the batch axis."""
        return self.output_shape if self.layer.draws == "mask" else (*self.output_shape[:-1], 1)

    def walk(self) -> Iterator[Node]:
        """Yield the nodes inside this node, then the node, in order of computation."""
        for branch in self.branches.values():
            for node in branch:
                yield from node.walk()
        yield self


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A whole network: ``input`` is the input of the first node; ``inputs`` are the shapes of all
    inputs that it reads; ``outputs`` are the layers whose outputs a loss reads.
    """

    name: str
    input: str
    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    output_shape: Shape
    outputs: tuple[str, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Yield every node, inner ones too, in order of computation."""
        for node in self.nodes:
            yield from node.walk()

    def parameters(self) -> list[Parameter]:
        """Return the trained parameters, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.parameters]

    def kernels(self) -> dict[str, int]:
        """Return the axis of the filters of each kernel, by its name, in canonical order."""
        return {
            parameter.name: node.layer.filter_axis
            for node in self.walk()
            for parameter in node.parameters
            if parameter.name.endswith("/kernel")
        }

    def statistics(self) -> list[Parameter]:
        """Return the running statistics, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.statistics]

    def drawing_nodes(self) -> list[Node]:
        """Return the nodes that take random numbers in training, in order of computation."""
        return [node for node in self.walk() if node.layer.draws]

    @property
    def parameter_count(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.size for parameter in self.parameters())


@dataclass(frozen=True, slots=True)
class Scope:
    """What the layers of one network can read.

    Attributes:
        inputs: the shapes of the network's inputs, and of the outputs of the layers planned so far.
        layers: every layer of the network, as ``"layer:NAME"``.
        others: the names of the other players.
    """

    inputs: dict[str, Shape]
    layers: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    def resolve(self, name: str, path: str) -> str:
        """Return the full name of an input: a layer is looked up in the block of the layer that
        reads it, then in the blocks around that.
        """
        block = path.split("/")[1:-1] if name.startswith(REFERENCE) else []
        for depth in range(len(block), 0, -1):
            full = REFERENCE + "/".join([*block[:depth], name.removeprefix(REFERENCE)])
            if full in self.layers:
                return full
        return name

    def shape_of(self, name: str, path: str) -> Shape:
        """Return the shape of an input.

        Args:
            path: the layer that reads it, for the error.

        Raises:
            SpecError: there is no such input, or it is no earlier layer of this network.
        """
        name = self.resolve(name, path)
        if name in self.inputs:
            return self.inputs[name]
        if not name.startswith(REFERENCE):
            known = {key: None for key in self.inputs if not key.startswith(REFERENCE)}
            remedy = " Set classes to use labels." if name == "label" else suggest(name, known)
            raise SpecError(f"{path}: there is no input {shown(name)}.{remedy}")
        if name in self.layers:
            raise SpecError(
                f"{path}: its input {shown(name)} is not computed before it, so reading it "
                "would be a cycle; read an earlier layer."
            )
        if name.removeprefix(REFERENCE).partition("/")[0] in self.others:
            raise SpecError(
                f"{path}: its input {shown(name)} is a layer of another player; read a layer of "
                f"{path.partition('/')[0]}, or one of the inputs noise, image and label."
            )
        near = suggest(name, {key for key in self.inputs if key.startswith(REFERENCE)})
        raise SpecError(f"{path}: there is no earlier layer {shown(name)}.{near}")


@dataclass(frozen=True, slots=True)
class Site:
    """The position of a layer: its path, its input shape, and what it can read.

    ``inner`` are the nodes of the layers inside it, which are planned first.
    """

    path: str
    shape: Shape
    scope: Scope
    inner: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)

    def read(self, name: str) -> Shape:
        """Return the shape of an input; raise SpecError if the layer cannot read it."""
        return self.scope.shape_of(name, self.path)

    def end_of(self, branch: str, start: Shape) -> Shape:
        """Return the output shape of the layers of a branch, ``start`` if it has none."""
        nodes = self.inner[branch]
        return nodes[-1].output_shape if nodes else start


@dataclass(frozen=True, slots=True)
class Resolved:
    """The output shape of a layer, and its arrays by their short names; ``kept`` as in
    :class:`Node`.
    """

    output: Shape
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Parameter] = field(default_factory=dict)
    kept: int = 0
