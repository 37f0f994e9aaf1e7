"""Layers with kernels or tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node, crops, pads
from gandem.exporters.torch.code import Code, express
from gandem.exporters.torch.layers.base import format_options, format_pair, is_image


def to_torch(kernel: np.ndarray) -> np.ndarray:
    """Return a canonical kernel in torch's layout: the last two axes first, in reverse."""
    axes = (1, 0) if kernel.ndim == 2 else (3, 2, 0, 1)
    return kernel.transpose(axes)


def list_bias(layer: Any, node: Node, code: Code) -> dict[str, np.ndarray]:
    """Return the bias of a layer, if it has one."""
    return {"bias": code.array(node, "bias")} if layer.bias else {}


@express.register
def _(layer: kinds.Dense, node: Node, x: str, code: Code) -> str:
    bias = list_bias(layer, node, code)
    weight = to_torch(code.array(node, "kernel"))
    module = f"nn.Linear({weight.shape[1]}, {weight.shape[0]}{'' if bias else ', bias=False'})"
    return f"{code.add_module(node, module, weight=weight, **bias)}({x})"


def convolve(layer: kinds.Conv2D, node: Node, x: str, code: Code, *, bias: bool) -> str:
    """Return the expression of a convolution."""
    height, width, channels = node.input_shape
    (top, bottom), (left, right) = pads(layer, height, width)
    even = (top, left) == (bottom, right)
    options = format_options(
        stride=(layer.stride, (1, 1)),
        padding=((top, left) if even else (0, 0), (0, 0)),
        dilation=(layer.dilation, (1, 1)),
        groups=(layer.groups, 1),
        bias=(bias, True),
    )
    module = f"nn.Conv2d({channels}, {layer.filters}, {format_pair(layer.kernel)}{options})"
    tensors = {"weight": to_torch(code.array(node, "kernel"))}
    tensors |= list_bias(layer, node, code) if bias else {}
    name = code.add_module(node, module, **tensors)
    return f"{name}({x if even else f'F.pad({x}, {(left, right, top, bottom)})'})"


def convolve_transposed(
    layer: kinds.Conv2DTranspose, node: Node, x: str, code: Code, *, bias: bool
) -> str:
    """Return the expression of a transposed convolution.

    torch crops both sides equally, and extends only the far side, by less than a stride.
    """
    padding, extra, rest = [], [], []
    for (before, after), stride in zip(crops(layer), layer.stride, strict=True):
        even = max(0, min(before, after + stride - 1))
        far = min(max(even - after, 0), stride - 1)
        padding.append(even)
        extra.append(far)
        rest = [even - before, even - far - after, *rest]  # F.pad wants the last axis first
    extends = max(rest) > 0  # rows that see only the bias
    options = format_options(
        stride=(layer.stride, (1, 1)),
        padding=(tuple(padding), (0, 0)),
        output_padding=(tuple(extra), (0, 0)),
        bias=(bias and not extends, True),
    )
    sizes = f"{node.input_shape[2]}, {layer.filters}, {format_pair(layer.kernel)}"
    tensors = {"weight": to_torch(code.array(node, "kernel"))}
    own_bias = list_bias(layer, node, code) if bias else {}
    tensors |= {} if extends else own_bias
    output = f"{code.add_module(node, f'nn.ConvTranspose2d({sizes}{options})', **tensors)}({x})"
    if any(rest):
        output = f"F.pad({output}, {tuple(rest)})"
    if extends and own_bias:
        output += f" + {code.add_tensor(node, own_bias['bias'], 'bias')}[:, None, None]"
    return output


@express.register
def _(layer: kinds.Conv2D, node: Node, x: str, code: Code) -> str:
    return convolve(layer, node, x, code, bias=layer.bias)


@express.register
def _(layer: kinds.Conv2DTranspose, node: Node, x: str, code: Code) -> str:
    return convolve_transposed(layer, node, x, code, bias=layer.bias)


@express.register
def _(layer: kinds.Embedding, node: Node, x: str, code: Code) -> str:
    table = code.array(node, "table")
    module = f"nn.Linear({table.shape[0]}, {table.shape[1]}, bias=False)"
    return f"{code.add_module(node, module, weight=table.T)}({x})"


@express.register
def _(layer: kinds.Constant, node: Node, x: str, code: Code) -> str:
    value = code.add_tensor(node, code.array(node, "value").transpose(2, 0, 1))
    return f"{value}.expand({x}.shape[0], -1, -1, -1)"


@express.register
def _(layer: kinds.PositionEmbedding, node: Node, x: str, code: Code) -> str:
    return f"{x} + {code.add_tensor(node, code.array(node, 'position').transpose(2, 0, 1))}"


@express.register
def _(layer: kinds.Bias, node: Node, x: str, code: Code) -> str:
    axes = "[:, None, None]" if is_image(node) else ""
    return f"{x} + {code.add_tensor(node, code.array(node, 'bias'))}{axes}"
