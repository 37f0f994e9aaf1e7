"""Normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.torch.code import Code, express
from gandem.exporters.torch.layers.base import PLANES, format_options, is_image


def list_affine(layer: Any, node: Node, code: Code) -> dict[str, np.ndarray]:
    """Return scale and offset of a norm under torch's names, if it has them."""
    names = {"weight": "scale", "bias": "offset"} if layer.affine else {}
    return {name: code.array(node, short) for name, short in names.items()}


@express.register
def _(layer: kinds.BatchNorm, node: Node, x: str, code: Code) -> str:
    options = format_options(
        eps=(layer.epsilon, 1e-5),
        momentum=(round(1 - layer.decay, 12), 0.1),
        affine=(layer.affine, True),
    )
    kind = "BatchNorm2d" if is_image(node) else "BatchNorm1d"
    tensors = list_affine(layer, node, code)
    tensors |= {
        "running_mean": code.array(node, "mean"),
        "running_var": code.array(node, "variance"),
        "num_batches_tracked": np.zeros((), np.int64),
    }
    module = f"nn.{kind}({node.input_shape[-1]}{options})"
    return f"{code.add_module(node, module, **tensors)}({x})"


@express.register
def _(layer: kinds.LayerNorm, node: Node, x: str, code: Code) -> str:
    tensors = list_affine(layer, node, code)
    shape, over_all = node.input_shape, layer.over == "all"
    if is_image(node) and over_all:
        shape = (shape[2], *shape[:2])
        tensors = {name: value.transpose(2, 0, 1) for name, value in tensors.items()}
    options = format_options(eps=(layer.epsilon, 1e-5), elementwise_affine=(layer.affine, True))
    module = f"nn.LayerNorm({shape if over_all else shape[-1]}{options})"
    name = code.add_module(node, module, **tensors)
    if is_image(node) and not over_all:
        return f"{name}({x}.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)"
    return f"{name}({x})"


@express.register(kinds.GroupNorm)
@express.register(kinds.InstanceNorm)
def _(layer: kinds.GroupNorm | kinds.InstanceNorm, node: Node, x: str, code: Code) -> str:
    channels = node.input_shape[-1]
    groups = layer.groups if isinstance(layer, kinds.GroupNorm) else channels
    options = format_options(eps=(layer.epsilon, 1e-5), affine=(layer.affine, True))
    module = f"nn.GroupNorm({groups}, {channels}{options})"
    return f"{code.add_module(node, module, **list_affine(layer, node, code))}({x})"


@express.register
def _(layer: kinds.PixelNorm, node: Node, x: str, code: Code) -> str:
    return f"{x} * torch.rsqrt({x}.square().mean(1, keepdim=True) + {layer.epsilon!r})"


@express.register
def _(layer: kinds.MinibatchStddev, node: Node, x: str, code: Code) -> str:
    size = code.keep(
        f"max(n for n in range(1, {layer.group_size} + 1) if {x}.shape[0] % n == 0)", node
    )
    height, width, _ = node.input_shape
    groups = code.keep(
        f"{x}.reshape({size}, -1, {layer.features}, "
        f"{node.input_shape[2] // layer.features}, {height}, {width})",
        node,
    )
    variance = f"{groups}.var(0, correction=0)"
    mean = code.keep(f"({variance} + {layer.epsilon!r}).sqrt().mean((2, 3, 4))", node)
    planes = f"{mean}.repeat({size}, 1){PLANES}.expand(-1, -1, {height}, {width})"
    return f"torch.cat([{x}, {planes}], 1)"
