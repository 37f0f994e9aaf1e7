"""What the expressions of all layers have in common."""

from __future__ import annotations

from typing import Any

from gandem.core.specs import Node
from gandem.exporters.torch.code import Code

PLANES = "[:, :, None, None]"
"""The axes that make a vector (N, C) fit an image."""


def is_image(node: Node) -> bool:
    """Return True if the input of a layer is an image."""
    return len(node.input_shape) == 3


def read(node: Node, branch: str, code: Code) -> str:
    """Return the variable of a branch on the input that the layer reads."""
    return code.write_branch(node, branch, code.values[node.reads])


def read_planes(node: Node, branch: str, code: Code) -> str:
    """Return the result of a branch with the axes of x: a vector beside an image is spread."""
    value = read(node, branch, code)
    layers = node.branches[branch]
    shape = layers[-1].output_shape if layers else code.shapes[node.reads]
    return value + PLANES if is_image(node) and len(shape) == 1 else value


def format_pair(pair: Any) -> str:
    """Return a pair, or its number if both are equal."""
    return str(pair[0] if isinstance(pair, tuple) and len(set(pair)) == 1 else pair)


def format_options(**options: tuple[Any, Any]) -> str:
    """Return the keyword arguments that differ from their defaults."""
    changed = {name: value for name, (value, default) in options.items() if value != default}
    return "".join(f", {name}={format_pair(value)}" for name, value in changed.items())
