"""Layers that a vector modulates, style vectors, and noise on pixels."""

from __future__ import annotations

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.torch.code import Code, express
from gandem.exporters.torch.layers.affine import convolve, convolve_transposed
from gandem.exporters.torch.layers.base import PLANES, read, read_planes


@express.register(kinds.ModulatedConv2D)
@express.register(kinds.ModulatedConv2DTranspose)
def _(
    layer: kinds.ModulatedConv2D | kinds.ModulatedConv2DTranspose, node: Node, x: str, code: Code
) -> str:
    style = read(node, "layers", code)
    scaled = f"{x} * {style}{PLANES}"
    if isinstance(layer, kinds.Conv2D):
        output = convolve(layer, node, scaled, code, bias=False)
        squares = np.square(code.array(node, "kernel")).sum((0, 1))  # (in, out)
    else:
        output = convolve_transposed(layer, node, scaled, code, bias=False)
        squares = np.square(code.array(node, "kernel")).sum((0, 1)).T
    if layer.demodulate:
        energy = code.add_tensor(node, squares, "squares", fixed=True)
        root = f"torch.rsqrt({style}.square() @ {energy} + {layer.epsilon!r})"
        output = f"{output} * {root}{PLANES}"
    if layer.bias:
        output += f" + {code.add_tensor(node, code.array(node, 'bias'), 'bias')}[:, None, None]"
    return output


@express.register
def _(layer: kinds.Modulate, node: Node, x: str, code: Code) -> str:
    scale, offset = (read_planes(node, branch, code) for branch in ("scale", "offset"))
    return f"{x} * (1 + {scale}) + {offset}"


@express.register
def _(layer: kinds.Multiply, node: Node, x: str, code: Code) -> str:
    return f"{x} * {read_planes(node, 'layers', code)}"


@express.register
def _(layer: kinds.Styles, node: Node, x: str, code: Code) -> str:
    return f"{code.write_branch(node, 'layers', x)}.repeat(1, {layer.count})"


@express.register
def _(layer: kinds.PixelNoise, node: Node, x: str, code: Code) -> str:
    return x  # there is none in inference
