"""Shape inference: from a player's layers to a plan of named nodes with shapes and parameters.

Backends build from the plan; they infer no shapes and choose no names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gandem.core.errors import SpecError, shown
from gandem.core.specs import layers as kinds
from gandem.core.specs.layers import Layer
from gandem.core.specs.shapes.graph import (
    FADE_IN,
    REFERENCE,
    NetworkPlan,
    Node,
    Parameter,
    Resolved,
    Scope,
    Shape,
    Site,
)
from gandem.core.specs.shapes.layers import branches, resolve

if TYPE_CHECKING:  # commands that show a spec do not import NumPy
    import numpy as np

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""A valid name of a player or layer, as part of parameter names in every framework."""
LARGEST = 2**40
"""Elements in one array; four terabytes in float32."""


def plan_network(
    name: str,
    input: str,
    layers: tuple[Layer, ...],
    inputs: Mapping[str, Shape],
    *,
    outputs: tuple[str, ...] = (),
    frozen: tuple[str, ...] = (),
    others: Collection[str] = (),
) -> NetworkPlan:
    """Infer every shape and parameter of a network.

    Args:
        name: first part of all canonical names, usually the player's name.
        input: which of ``inputs`` is the input of the first layer.
        inputs: the shapes of the available inputs, by name, without the batch axis.
        outputs: the names of layers whose outputs a loss reads.
        frozen: the names of layers whose weights no update changes.
        others: the names of the other players, for errors.

    Raises:
        SpecError: the shapes do not fit; the message names the layer and the remedy.
    """
    if not layers:
        raise SpecError(f"{name}: a network needs at least one layer.")
    walked = list(walk_layers(name, layers))
    references = frozenset(_reference(path) for path, _ in walked)
    scope = Scope(dict(inputs), references, frozenset(others))
    start = scope.shape_of(input, name)
    used = {input, *(scope.resolve(layer.reads, path) for path, layer in walked)}
    used |= {REFERENCE + output for output in outputs}
    nodes = _plan(name, layers, start, scope, used)
    _refuse_idle_biases(nodes)
    for output in outputs:
        scope.shape_of(REFERENCE + output, f"{name}.outputs")
    read = {key: shape for key, shape in inputs.items() if key in used}
    if any(isinstance(layer, kinds.FadeIn) for _, layer in walked):
        read[FADE_IN] = (1,)
    return NetworkPlan(name, input, read, nodes, nodes[-1].output_shape, outputs, frozen)


def walk_layers(path: str, layers: tuple[Layer, ...]) -> Iterator[tuple[str, Layer]]:
    """Yield every layer of a list with its path, inner ones too."""
    for name, layer in zip(layer_names(path, layers), layers, strict=True):
        yield f"{path}/{name}", layer
        for key, part in layer.branches.items():
            yield from walk_layers(_branch_path(f"{path}/{name}", key), part)


def _branch_path(path: str, branch: str) -> str:
    """Return the first part of the paths of the layers in a branch of a layer."""
    return path if branch == "layers" else f"{path}/{branch}"


def _reference(path: str) -> str:
    """Return the name under which the layer at a path is read."""
    return REFERENCE + path.partition("/")[2]


def draw_initial_values(plan: NetworkPlan, seed: int) -> dict[str, np.ndarray]:
    """Return the first value of every parameter and statistic, float64, by canonical name."""
    from gandem.core.specs.shapes.initial_values import first_value

    return {p.name: first_value(p, seed) for p in plan.parameters() + plan.statistics()}


def _plan(
    path: str, layers: tuple[Layer, ...], shape: Shape, scope: Scope, used: Collection[str]
) -> tuple[Node, ...]:
    """Plan a list of layers; add the shape of each to the scope.

    Args:
        used: the inputs and layers that are read anywhere in the network.
    """
    nodes = []
    for name, layer in zip(layer_names(path, layers), layers, strict=True):
        here = f"{path}/{name}"
        site = Site(here, shape, scope)
        inner = {
            key: _plan(_branch_path(here, key), part, start, scope, used) if part else ()
            for key, (part, start) in branches(layer, site).items()
        }
        resolved = resolve(layer, replace(site, inner=inner))
        _refuse_monsters(here, resolved)
        node = Node(
            path=here,
            layer=layer,
            input_shape=shape,
            output_shape=resolved.output,
            parameters=_named(here, resolved.parameters),
            statistics=_named(here, resolved.statistics),
            branches=inner,
            reads=scope.resolve(layer.reads, here),
            is_read=_reference(here) in used,
            kept=resolved.kept,
            multiply_adds=resolved.multiply_adds,
        )
        nodes.append(node)
        scope.inputs[node.reference] = shape = resolved.output
    return tuple(nodes)


def _refuse_monsters(path: str, resolved: Resolved) -> None:
    """Refuse arrays that are too large for any memory."""
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
        replace(parameter, name=f"{path}/{short}") for short, parameter in parameters.items()
    )


# --- a bias that cannot change the function ------------------------------------------------------


def _refuse_idle_biases(nodes: tuple[Node, ...]) -> list[Node]:
    """Refuse a bias that the next normalization removes.

    Its exact gradient is 0, so Adam normalizes rounding noise and the bias drifts: by 2.8e-3 after
    200 steps in float32.

    Returns:
        The nodes whose bias is still a constant of each channel at the end of ``nodes``.
    """
    biased: list[Node] = []
    for node in nodes:
        ends = [end for branch in node.branches.values() for end in _refuse_idle_biases(branch)]
        layer = node.layer
        if biased and layer.removes_constant(node.input_shape[-1]):
            remedy = "remove it" if isinstance(biased[0].layer, kinds.Bias) else "set bias = false"
            raise SpecError(
                f"{biased[0].path}: a bias in front of {layer.kind} cannot change the function "
                f"and only drifts with rounding noise; {remedy}."
            )
        if isinstance(layer, kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose):
            biased = [node] if layer.bias else []
        elif isinstance(layer, kinds.Bias):
            biased = [node]
        elif isinstance(layer, kinds.Residual | kinds.Head):  # its input reaches the branches
            biased = ends
        elif isinstance(layer, kinds.Concatenate | kinds.Add | kinds.Blend):
            biased = biased + ends
        elif not layer.keeps_constant:
            biased = []
        if node.is_read:  # the bias reaches other layers too
            biased = []
    return biased
