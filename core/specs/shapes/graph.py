"""The plan of a network: nodes with their shapes and arrays."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.specs.initializers import Initializer
from gandem.core.specs.layers import Layer, Styles

Shape = tuple[int, ...]
REFERENCE = "layer:"
"""The prefix of an input that is the output of an earlier layer: ``"layer:stem"``."""
FADE_IN = "fade_in"
"""The input of a network that is the fade-in weight of the step, (1, 1) for all images."""
IMAGE = "image"
"""The input that is the image; ``"image:8"`` is the same image with 8 rows."""


def find_images(outputs: Iterable[str]) -> dict[str, str]:
    """Return the outputs of a network that are images of a lower resolution: the name of the layer,
    by the name under which other networks read it.

    >>> find_images(["features", "image_8", "image_16"])
    {'image:8': 'image_8', 'image:16': 'image_16'}
    """
    matches = [re.fullmatch(r"image_([1-9][0-9]*)", name) for name in outputs]
    return {f"{IMAGE}:{match[1]}": match[0] for match in matches if match}


def is_image(name: str) -> bool:
    """Return True if an input is the image, in any resolution."""
    return name.partition(":")[0] == IMAGE


@functools.cache
def at_resolution(kind: str, image: str) -> str:
    """Return the first part of the name of an input of a step that belongs to an image.

    >>> at_resolution("real", "image"), at_resolution("real", "image:8")
    ('real', 'real:8')
    """
    return kind + image.removeprefix(IMAGE)


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
        multiply_adds: of each sample, forward, without those of the layers inside it.
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
    multiply_adds: int = 0

    @property
    def reference(self) -> str:
        """The name under which other layers read its output: ``"layer:conv2d_1"``."""
        return REFERENCE + self.path.partition("/")[2]

    @property
    def draw_shape(self) -> Shape:
        """Shape of the random numbers that it takes, without the batch axis."""
        if self.layer.draws == "mixing":
            return (self.input_shape[0] + 1,)
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
    inputs that it reads; ``outputs`` are the layers whose outputs a loss or a network reads;
    ``frozen`` are those whose weights no update changes.
    """

    name: str
    input: str
    inputs: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    output_shape: Shape
    outputs: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    def part(self, inputs: Collection[str], layer: str = "") -> slice:
        """Return which of the nodes compute a layer from inputs.

        Args:
            inputs: names of inputs, and of layers whose outputs are given, ``"layer:NAME"``.
            layer: the name of a layer of the network itself; by default its last.

        Raises:
            SpecError: there is no such layer, or a later layer reads one that is not computed.
        """
        if not layer and set(inputs) == self.inputs.keys():
            return slice(0, len(self.nodes))
        references = [node.reference for node in self.nodes]
        last = REFERENCE + layer if layer else references[-1]
        for name in (last, *(name for name in inputs if name.startswith(REFERENCE))):
            if name not in references:
                near = suggest(name, references)
                raise SpecError(f"{self.name}: it has no layer {shown(name)} of its own.{near}")
        start = max(
            (references.index(name) + 1 for name in inputs if name in references), default=0
        )
        part = slice(start, references.index(last) + 1)
        for node in (inner for each in self.nodes[part] for inner in each.walk()):
            source = REFERENCE + node.reads.removeprefix(REFERENCE).partition("/")[0]
            if source in references[:start] and node.reads not in inputs:
                raise SpecError(
                    f"{node.path}: it reads {node.reads}, which is not computed from "
                    f"{', '.join(inputs)}; give a later layer, or that one too."
                )
        return part

    def start_of(self, part: slice) -> str:
        """Return the name of the input of a part of the nodes."""
        return self.nodes[part.start - 1].reference if part.start else self.input

    def find_styles(self) -> Node | None:
        """Return the layer of the network itself that gives styles; None if there is none."""
        return next((node for node in self.nodes if isinstance(node.layer, Styles)), None)

    def walk(self) -> Iterator[Node]:
        """Yield every node, inner ones too, in order of computation."""
        for node in self.nodes:
            yield from node.walk()

    def parameters(self) -> list[Parameter]:
        """Return the parameters, in canonical order."""
        return [parameter for node in self.walk() for parameter in node.parameters]

    def trained(self) -> list[Parameter]:
        """Return the parameters that updates change: those of layers that are not frozen."""
        nodes = (n for n in self.walk() if n.path.partition("/")[2] not in self.frozen)
        return [parameter for node in nodes for parameter in node.parameters]

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
    def images(self) -> dict[str, str]:
        """The outputs that are images of a lower resolution, see :func:`find_images`."""
        return find_images(self.outputs)

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
            if is_image(name):
                layer = name.replace(":", "_")
                remedy = f" List a layer {shown(layer)} of the generator in generator.outputs."
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
    """The output shape of a layer, and its arrays by their short names; ``kept`` and
    ``multiply_adds`` as in :class:`Node`.
    """

    output: Shape
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Parameter] = field(default_factory=dict)
    kept: int = 0
    multiply_adds: int = 0
