"""Code of a network under construction: modules, tensors, and the lines of ``forward``."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from functools import singledispatch

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.specs import Layer, NetworkPlan, Node, Read, Shape

TAKEN = ("F", "Tensor", "label", "nn", "self", "torch", "x")
"""Names that ``forward`` uses for something else."""


def format_shape(shape: Shape) -> str:
    """Return a shape with the batch axis as PyTorch has it.

    >>> format_shape((7, 7, 128))
    '(N, 128, 7, 7)'
    """
    ordered = (shape[-1], *shape[:-1]) if len(shape) == 3 else shape
    return f"(N, {', '.join(map(str, ordered))})" if shape else "(N,)"


class Code:
    """The code of a network.

    Attributes:
        arrays: of the network, as plain layers compute with them, by canonical name.
        modules: the expression of each attribute, by name.
        tensors: the state of the module, by torch's name.
        lines: of ``forward``.
        shapes: the shape of each input and each layer, channels-last, without the batch axis.
        values: the local variable of each input, and of each layer that others read.
    """

    def __init__(
        self, plan: NetworkPlan, arrays: Mapping[str, np.ndarray], inputs: Mapping[str, str]
    ) -> None:
        from torch import nn

        self.arrays = arrays
        self.modules: dict[str, str] = {}
        self.tensors: dict[str, np.ndarray] = {}
        self.lines: list[str] = []
        self.values = dict(inputs)
        self.shapes = dict(plan.inputs) | {n.reference: n.output_shape for n in plan.walk()}
        self._locals = {*TAKEN, *inputs.values()}
        self._attributes = {*dir(nn.Module), *("training", "_modules")}
        self._dtype = np.result_type(np.float32, *arrays.values())
        self._read = {node.reads for node in plan.walk()}
        self.result = self.write_chain(plan.nodes, self.values[plan.input], "x")

    def write_chain(self, nodes: Sequence[Node], x: str, target: str) -> str:
        """Write a sequence of layers; return the variable of the result.

        Args:
            x: the variable of the input.
            target: the variable that results are assigned to.
        """
        for node in self._list_live(nodes):
            expression, is_read = express(node.layer, node, x, self), node.reference in self._read
            if expression.isidentifier() and not (is_read and expression == target):
                x = expression
            else:
                changes = node.output_shape != node.input_shape
                x = self._new_local(node) if is_read else target
                self.assign(x, expression, node.output_shape if changes else None)
            if is_read:
                self.values[node.reference] = x
        return x

    def write_branch(self, node: Node, branch: str, x: str) -> str:
        """Write the layers of a branch; return the variable of the result, ``x`` if it has none."""
        nodes = node.branches[branch]
        return self.write_chain(nodes, x, self._new_local(node, branch)) if nodes else x

    def _list_live(self, nodes: Sequence[Node]) -> list[Node]:
        """Return the nodes without those whose output nothing reads: side outputs before a read."""
        live, is_used = [], True
        for node in reversed(nodes):
            is_used = is_used or any(inner.reference in self._read for inner in node.walk())
            if is_used:
                live.append(node)
            is_used = is_used and not isinstance(node.layer, Read)
        return live[::-1]

    def keep(self, x: str, node: Node) -> str:
        """Return a variable for the output of a layer that no later line changes."""
        name = self._new_local(node)
        self.assign(name, x)
        return name

    def assign(self, target: str, expression: str, shape: Shape | None = None) -> None:
        """Write an assignment, with the shape of the result as a comment."""
        comment = "" if shape is None else f"  # {format_shape(shape)}"
        self.lines.append(f"{target} = {expression}{comment}")

    def add_module(self, node: Node, expression: str, **tensors: np.ndarray) -> str:
        """Add a module with its tensors; return its name in ``forward``."""
        name = self._new_attribute(node)
        self.modules[name] = expression
        self.tensors |= {f"{name}.{short}": value for short, value in tensors.items()}
        return f"self.{name}"

    def add_tensor(
        self, node: Node, value: np.ndarray, part: str = "", *, fixed: bool = False
    ) -> str:
        """Add a parameter, or with ``fixed`` a buffer; return its name in ``forward``."""
        name = self._new_attribute(node, part)
        shape = ", ".join(map(str, value.shape))
        empty = f"torch.empty({shape})"
        self.modules[name] = f"nn.Buffer({empty})" if fixed else f"nn.Parameter({empty})"
        self.tensors[name] = value.astype(self._dtype)
        return f"self.{name}"

    def array(self, node: Node, short: str) -> np.ndarray:
        """Return an array of a layer by its short name."""
        return self.arrays[f"{node.path}/{short}"]

    def _new_attribute(self, node: Node, part: str = "") -> str:
        return _choose_name(_join_names(node, part), self._attributes)

    def _new_local(self, node: Node, part: str = "") -> str:
        return _choose_name(_join_names(node, "" if part == "layers" else part), self._locals)


def _join_names(node: Node, part: str) -> str:
    words = node.path.split("/")[1:]
    return "_".join([*words, part] if part else words)


def _choose_name(name: str, taken: set[str]) -> str:
    """Return a name that is not taken and no keyword, and note it."""
    number, chosen = 2, name
    while chosen in taken or keyword.iskeyword(chosen):
        number, chosen = number + 1, f"{name}_{number}"
    taken.add(chosen)
    return chosen


@singledispatch
def express(layer: Layer, node: Node, x: str, code: Code) -> str:
    """Return the expression of a layer's output, ``x`` itself for a layer that changes nothing.

    Args:
        x: the variable of its input.
        code: receives modules, tensors, and the lines before the expression.

    Raises:
        SpecError: there is none for this kind of layer.
    """
    raise SpecError(
        f"{node.path}: PyTorch code cannot express the layer {layer.kind!r}; choose the format "
        "safetensors, which has no code."
    )
