"""Layers that arrange the same features."""

from __future__ import annotations

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.torch.code import Code, express
from gandem.exporters.torch.layers.base import is_image


@express.register(kinds.Flatten)
@express.register(kinds.Reshape)
def _(layer: kinds.Flatten | kinds.Reshape, node: Node, x: str, code: Code) -> str:
    shape = node.output_shape
    ordered = f"{x}.permute(0, 2, 3, 1)" if is_image(node) else x
    reshaped = f"{ordered}.reshape(-1, {', '.join(map(str, shape))})"
    return f"{reshaped}.permute(0, 3, 1, 2)" if len(shape) == 3 else reshaped


@express.register
def _(layer: kinds.DepthToSpace, node: Node, x: str, code: Code) -> str:
    return f"F.pixel_shuffle({x}, {layer.factor})"


@express.register
def _(layer: kinds.SpaceToDepth, node: Node, x: str, code: Code) -> str:
    return f"F.pixel_unshuffle({x}, {layer.factor})"


@express.register
def _(layer: kinds.Slice, node: Node, x: str, code: Code) -> str:
    return f"{x}[:, {layer.start}:{layer.stop}]"
