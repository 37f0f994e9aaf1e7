"""Layers that contain layers or read other inputs."""

from __future__ import annotations

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.torch.code import Code, express
from gandem.exporters.torch.layers.base import PLANES, read


@express.register
def _(layer: kinds.Concatenate, node: Node, x: str, code: Code) -> str:
    other = read(node, "layers", code)
    if layer.planes:
        height, width = node.input_shape[:2]
        other = f"{other}{PLANES}.expand(-1, -1, {height}, {width})"
    return f"torch.cat([{x}, {other}], 1)"


@express.register
def _(layer: kinds.Add, node: Node, x: str, code: Code) -> str:
    return f"{x} + {read(node, 'layers', code)}"


@express.register
def _(layer: kinds.Blend, node: Node, x: str, code: Code) -> str:
    return f"{layer.weight!r} * {x} + {1 - layer.weight!r} * {read(node, 'layers', code)}"


@express.register
def _(layer: kinds.Dot, node: Node, x: str, code: Code) -> str:
    return f"({x} * {read(node, 'layers', code)}).sum(1, keepdim=True)"


@express.register
def _(layer: kinds.Read, node: Node, x: str, code: Code) -> str:
    return code.values[node.reads]


@express.register
def _(layer: kinds.Residual, node: Node, x: str, code: Code) -> str:
    main = code.write_branch(node, "layers", x)
    return f"{main} + {code.write_branch(node, 'shortcut', x)}"


@express.register
def _(layer: kinds.Head, node: Node, x: str, code: Code) -> str:
    return code.write_branch(node, "layers", x)
