"""Shape inference: from a player's layers to a plan of named nodes with shapes and parameters.

Backends build from the plan, so none of them infers a shape or makes up a name.  A new kind of
layer registers itself with :func:`resolve` (and with :func:`branches` where it holds layers of its
own).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.randomness import Purpose, part_of, stream
from gandem.core.spec import layers as kinds
from gandem.core.spec.geometry import crops, pads, transposed_size, window_size
from gandem.core.spec.initialisers import Initialiser, Ones, Zeros, draw
from gandem.core.spec.layers import Layer

__all__ = [
    "NAME",
    "NetworkPlan",
    "Node",
    "Parameter",
    "Shape",
    "initial_values",
    "plan_network",
]

Shape = tuple[int, ...]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What a player or layer can be called: a part of its parameters' names, on every framework."""
LARGEST = 2**40
"""Numbers in one array; in float32 these are four terabytes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An array that a layer owns: its canonical name, shape and first value."""

    name: str
    shape: Shape
    initialiser: Initialiser
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
        return [node for node in self.walk() if isinstance(node.layer, kinds.Dropout)]

    @property
    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(parameter.size for parameter in self.parameters())


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a layer does to a shape, and which arrays it owns, by their short names."""

    output: Shape
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Parameter] = field(default_factory=dict)


def plan_network(
    name: str, input: str, layers: tuple[Layer, ...], inputs: Mapping[str, Shape]
) -> NetworkPlan:
    """Infer every shape and parameter of a network.

    Args:
        name: first part of all canonical names, usually the player's name.
        input: which of ``inputs`` enters the first layer.
        inputs: the shapes that can be read, by name, without the batch axis.

    Raises:
        SpecError: the shapes do not close; the text names the layer and the remedy.
    """
    if input not in inputs:
        raise _no_input(name, input, inputs)
    if not layers:
        raise SpecError(f"{name}: a network needs at least one layer.")
    nodes = _plan(name, layers, inputs[input], inputs)
    _refuse_idle_biases(nodes)
    used = {input} | {
        node.layer.input
        for top in nodes
        for node in top.walk()
        if isinstance(node.layer, kinds.Concatenate)
    }
    read = {key: shape for key, shape in inputs.items() if key in used}
    return NetworkPlan(name, input, read, nodes, nodes[-1].output_shape)


def initial_values(plan: NetworkPlan, seed: int) -> dict[str, np.ndarray]:
    """Return the first value of every parameter and statistic, float64, by canonical name."""
    return {
        p.name: draw(
            p.initialiser,
            stream(seed, Purpose.WEIGHTS, part=part_of(p.name)),
            p.shape,
            p.fan_in,
            p.fan_out,
        )
        for p in plan.parameters() + plan.statistics()
    }


def _plan(
    path: str, layers: tuple[Layer, ...], shape: Shape, inputs: Mapping[str, Shape]
) -> tuple[Node, ...]:
    nodes = []
    for name, layer in zip(layer_names(path, layers), layers, strict=True):
        here = f"{path}/{name}"
        inner = {
            key: _plan(f"{here}/{key}" if key != "layers" else here, part, start, inputs)
            if part
            else ()
            for key, (part, start) in branches(layer, shape, inputs, here).items()
        }
        resolved = resolve(layer, shape, here, inner, inputs)
        _refuse_monsters(here, resolved)
        nodes.append(
            Node(
                path=here,
                layer=layer,
                input_shape=shape,
                output_shape=resolved.output,
                parameters=_named(here, resolved.parameters),
                statistics=_named(here, resolved.statistics),
                branches=inner,
            )
        )
        shape = resolved.output
    return tuple(nodes)


def _refuse_monsters(path: str, resolved: Resolved) -> None:
    """Refuse arrays that nobody can hold, so that none is tried."""
    shapes = {name: parameter.shape for name, parameter in resolved.parameters.items()}
    for name, shape in ({"output": resolved.output} | shapes).items():
        if (size := math.prod(shape)) > LARGEST:
            raise SpecError(
                f"{path}: its {name} takes {size} numbers, more than any machine holds; "
                "make the layer smaller."
            )


def layer_names(path: str, layers: tuple[Layer, ...]) -> list[str]:
    """Return the canonical name of each layer of one list: its own, or its kind numbered from the
    second on.
    """
    names: dict[str, None] = {}
    seen: dict[str, int] = {}
    for layer in layers:
        count = seen.get(layer.kind, 0)
        seen[layer.kind] = count + 1
        usual = f"{layer.kind}_{count}" if count else layer.kind
        name = usual if layer.name is None else layer.name
        if name == "shortcut" or not NAME.fullmatch(name):
            raise SpecError(
                f"{path}: a layer cannot be called {shown(name)}; "
                "use letters, digits and '_', a letter first."
            )
        if name in names:
            raise SpecError(f"{path}: two layers are called {name!r}; rename one of them.")
        names[name] = None
    return list(names)


def _named(path: str, parameters: Mapping[str, Parameter]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(f"{path}/{short}", p.shape, p.initialiser, p.fan_in, p.fan_out)
        for short, p in parameters.items()
    )


# --- which layers are inside a layer -------------------------------------------------------------


@singledispatch
def branches(
    layer: Layer, shape: Shape, inputs: Mapping[str, Shape], path: str
) -> dict[str, tuple[tuple[Layer, ...], Shape]]:
    """Return the lists of layers inside ``layer``, each with the shape that enters it."""
    return {}


@branches.register
def _(
    layer: kinds.Concatenate, shape: Shape, inputs: Mapping[str, Shape], path: str
) -> dict[str, tuple[tuple[Layer, ...], Shape]]:
    if layer.input not in inputs:
        raise _no_input(path, layer.input, inputs)
    return {"layers": (layer.layers, inputs[layer.input])}


def _no_input(path: str, name: str, inputs: Mapping[str, Shape]) -> SpecError:
    remedy = " Set classes to use labels." if name == "label" else suggest(name, inputs)
    return SpecError(f"{path}: there is no input {shown(name)}.{remedy}")


@branches.register
def _(
    layer: kinds.Residual, shape: Shape, inputs: Mapping[str, Shape], path: str
) -> dict[str, tuple[tuple[Layer, ...], Shape]]:
    return {"layers": (layer.layers, shape), "shortcut": (layer.shortcut, shape)}


# --- what each layer does to a shape -------------------------------------------------------------


@singledispatch
def resolve(
    layer: Layer,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    """Return the output shape and parameters of ``layer`` on features of ``shape``.

    Layers without parameters that keep the shape need no rule of their own.
    """
    return Resolved(shape)


def _image(shape: Shape, path: str) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise SpecError(
            f"{path}: expected an image (height, width, channels), received {shape}; "
            "put a reshape layer before it."
        )
    return (shape[0], shape[1], shape[2])


def _vector(shape: Shape, path: str) -> int:
    if len(shape) != 1:
        raise SpecError(
            f"{path}: expected a vector (features,), received {shape}; "
            "put a flatten or a global pooling layer before it."
        )
    return shape[0]


def _affine(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose,
    kernel: Shape,
    fan_in: int,
    fan_out: int,
    out: int,
) -> dict[str, Parameter]:
    found = {"kernel": Parameter("", kernel, layer.kernel_init, fan_in, fan_out)}
    if layer.bias:
        found["bias"] = Parameter("", (out,), layer.bias_init, fan_in, fan_out)
    return found


@resolve.register
def _(
    layer: kinds.Dense,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    size = _vector(shape, path)
    kernel = (size, layer.units)
    return Resolved((layer.units,), _affine(layer, kernel, size, layer.units, layer.units))


def _closed(size: int, path: str, axis: str, n: int, k: int, remedy: str) -> int:
    if size < 1:
        raise SpecError(f"{path}: its window of {k} does not fit a {axis} of {n}; {remedy}.")
    return size


@resolve.register
def _(
    layer: kinds.Conv2D,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    height, width, channels = _image(shape, path)
    pad = pads(layer, height, width)
    if min(pad[0] + pad[1]) < 0:
        raise SpecError(f"{path}: padding cannot be negative, received {layer.padding}.")
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    remedy = "use padding 'same' or a smaller kernel"
    size = (
        _closed(window_size(height, kh, sh, pad[0]), path, "height", height, kh, remedy),
        _closed(window_size(width, kw, sw, pad[1]), path, "width", width, kw, remedy),
    )
    area = kh * kw
    kernel = (kh, kw, channels, layer.filters)
    parameters = _affine(layer, kernel, area * channels, area * layer.filters, layer.filters)
    return Resolved((*size, layer.filters), parameters)


@resolve.register
def _(
    layer: kinds.Conv2DTranspose,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    height, width, channels = _image(shape, path)
    crop = crops(layer)
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    remedy = "crop less"
    size = (
        _closed(transposed_size(height, kh, sh, crop[0]), path, "height", height, kh, remedy),
        _closed(transposed_size(width, kw, sw, crop[1]), path, "width", width, kw, remedy),
    )
    area = kh * kw
    kernel = (kh, kw, layer.filters, channels)
    parameters = _affine(layer, kernel, area * channels, area * layer.filters, layer.filters)
    return Resolved((*size, layer.filters), parameters)


@resolve.register
def _(
    layer: kinds.Upsample2D,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    height, width, channels = _image(shape, path)
    return Resolved((height * layer.factor[0], width * layer.factor[1], channels))


@resolve.register(kinds.MaxPool2D)
@resolve.register(kinds.AveragePool2D)
def _(
    layer: kinds.MaxPool2D | kinds.AveragePool2D,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    height, width, channels = _image(shape, path)
    pad = pads(layer, height, width)
    remedy = "use padding 'same' or a smaller size"
    size = (
        _closed(
            window_size(height, layer.size[0], layer.stride[0], pad[0]),
            path, "height", height, layer.size[0], remedy,
        ),
        _closed(
            window_size(width, layer.size[1], layer.stride[1], pad[1]),
            path, "width", width, layer.size[1], remedy,
        ),
    )  # fmt: skip
    return Resolved((*size, channels))


@resolve.register(kinds.GlobalMaxPool2D)
@resolve.register(kinds.GlobalAveragePool2D)
def _(
    layer: Layer,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    return Resolved((_image(shape, path)[2],))


@resolve.register
def _(
    layer: kinds.Flatten,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    return Resolved((math.prod(shape),))


@resolve.register
def _(
    layer: kinds.Reshape,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    if len(layer.shape) not in (1, 3):
        raise SpecError(f"{path}: a shape is [features] or [height, width, channels], "
                        f"received {list(layer.shape)}.")  # fmt: skip
    if math.prod(layer.shape) != math.prod(shape):
        raise SpecError(
            f"{path}: {math.prod(shape)} features {shape} do not fill {layer.shape}, which takes "
            f"{math.prod(layer.shape)}; change the reshape or the layer before it."
        )
    return Resolved(layer.shape)


def _several(count: int, path: str) -> None:
    if count < 2:
        raise SpecError(
            f"{path}: it would normalise single numbers, which leaves only the offset; "
            "leave it out, or choose another norm."
        )


def _scale_offset(
    layer: kinds.BatchNorm | kinds.LayerNorm | kinds.GroupNorm | kinds.InstanceNorm, shape: Shape
) -> dict[str, Parameter]:
    return {
        "scale": Parameter("", shape, layer.scale_init),
        "offset": Parameter("", shape, layer.offset_init),
    }


@resolve.register
def _(
    layer: kinds.BatchNorm,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    channels = shape[-1:]
    running = {
        "mean": Parameter("", channels, Zeros()),
        "variance": Parameter("", channels, Ones()),
    }
    return Resolved(shape, _scale_offset(layer, channels), running)


@resolve.register
def _(
    layer: kinds.LayerNorm,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    over = shape if layer.over == "all" else shape[-1:]
    _several(math.prod(over), path)
    return Resolved(shape, _scale_offset(layer, over))


@resolve.register
def _(
    layer: kinds.GroupNorm,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    channels = shape[-1]
    if channels % layer.groups:
        raise SpecError(
            f"{path}: {channels} channels do not divide into {layer.groups} groups; "
            "choose a divisor."
        )
    _several(math.prod(shape) // layer.groups, path)
    return Resolved(shape, _scale_offset(layer, (channels,)))


@resolve.register
def _(
    layer: kinds.InstanceNorm,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    height, width, _ = _image(shape, path)
    _several(height * width, path)
    return Resolved(shape, _scale_offset(layer, shape[-1:]))


@resolve.register
def _(
    layer: kinds.Embedding,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    classes = _vector(shape, path)
    table = Parameter("", (classes, layer.units), layer.table_init, classes, layer.units)
    return Resolved((layer.units,), {"table": table})


@resolve.register
def _(
    layer: kinds.Concatenate,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    nodes = inner["layers"]
    other = nodes[-1].output_shape if nodes else inputs[layer.input]
    if layer.planes:
        _image(shape, path)
        other = (*shape[:2], _vector(other, path))
    if other[:-1] != shape[:-1]:
        raise SpecError(
            f"{path}: {other} cannot stand beside {shape}; give the other input layers "
            "that bring it to that size, or set planes = true for a vector beside an image."
        )
    return Resolved((*shape[:-1], shape[-1] + other[-1]))


@resolve.register
def _(
    layer: kinds.Residual,
    shape: Shape,
    path: str,
    inner: Mapping[str, tuple[Node, ...]],
    inputs: Mapping[str, Shape],
) -> Resolved:
    if not inner["layers"]:
        raise SpecError(f"{path}: a residual block needs at least one layer.")
    main = inner["layers"][-1].output_shape
    short = inner["shortcut"][-1].output_shape if inner["shortcut"] else shape
    if main != short:
        raise SpecError(
            f"{path}: its layers give {main}, its shortcut {short}; "
            "put a layer into the shortcut that brings both to one shape."
        )
    return Resolved(main)


# --- a bias that cannot change the function ------------------------------------------------------

_KEEPS_A_CONSTANT = (
    kinds.Upsample2D,
    kinds.MaxPool2D,
    kinds.AveragePool2D,
    kinds.GlobalMaxPool2D,
    kinds.GlobalAveragePool2D,
    kinds.Flatten,
)


def _refuse_idle_biases(nodes: tuple[Node, ...]) -> list[Node]:
    """Refuse a bias that the next normalisation takes away again.

    Its true gradient is 0, so Adam normalises rounding noise and the bias walks: 2.8e-3 after 200
    steps in float32.

    Returns:
        The nodes whose bias is still a constant of each channel where ``nodes`` end.
    """
    biased: list[Node] = []
    for node in nodes:
        ends = [end for branch in node.branches.values() for end in _refuse_idle_biases(branch)]
        layer = node.layer
        if biased and _takes_a_constant_away(node):
            raise SpecError(
                f"{biased[0].path}: a bias in front of {layer.kind} cannot change the function "
                "and only drifts with rounding noise; set bias = false."
            )
        if isinstance(layer, kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose):
            biased = [node] if layer.bias else []
        elif isinstance(layer, kinds.Residual):  # what enters it reaches both branches
            biased = ends
        elif isinstance(layer, kinds.Concatenate):
            biased = biased + ends
        elif not _keeps_a_constant(node):
            biased = []
    return biased


def _takes_a_constant_away(node: Node) -> bool:
    layer = node.layer
    return isinstance(layer, kinds.BatchNorm | kinds.InstanceNorm) or (
        isinstance(layer, kinds.GroupNorm) and layer.groups == node.input_shape[-1]
    )


def _keeps_a_constant(node: Node) -> bool:
    flattens = isinstance(node.layer, kinds.Reshape) and len(node.output_shape) == 1
    return flattens or isinstance(node.layer, _KEEPS_A_CONSTANT)
