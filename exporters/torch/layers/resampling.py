"""Upsampling, pooling and filters."""

from __future__ import annotations

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node, Pads, filter_matrix, pads
from gandem.exporters.torch.code import Code, express
from gandem.exporters.torch.layers.base import format_pair


@express.register
def _(layer: kinds.Upsample2D, node: Node, x: str, code: Code) -> str:
    return f'F.interpolate({x}, scale_factor={format_pair(layer.factor)}, mode="{layer.method}")'


def _pad(x: str, sides: Pads, value: str = "") -> str:
    (top, bottom), (left, right) = sides
    given = f", value={value}" if value else ""
    return f"F.pad({x}, {(left, right, top, bottom)}{given})" if any(map(any, sides)) else x


@express.register
def _(layer: kinds.MaxPool2D, node: Node, x: str, code: Code) -> str:
    padded = _pad(x, pads(layer, *node.input_shape[:2]), "-torch.inf")
    return f"F.max_pool2d({padded}, {format_pair(layer.size)}, {format_pair(layer.stride)})"


@express.register
def _(layer: kinds.AveragePool2D, node: Node, x: str, code: Code) -> str:
    sides = pads(layer, *node.input_shape[:2])
    pool = f"F.avg_pool2d({_pad(x, sides)}, {format_pair(layer.size)}, {format_pair(layer.stride)})"
    if not any(map(any, sides)):
        return pool
    ones = np.pad(np.ones(node.input_shape[:2]), sides)
    rows, columns = node.output_shape[:2]
    share = np.empty((rows, columns))  # of image pixels in each window
    for row, column in np.ndindex(rows, columns):
        top, left = row * layer.stride[0], column * layer.stride[1]
        share[row, column] = ones[top : top + layer.size[0], left : left + layer.size[1]].mean()
    return f"{pool} / {code.add_tensor(node, share, 'share', fixed=True)}"


@express.register
def _(layer: kinds.Resample2D, node: Node, x: str, code: Code) -> str:
    rows, columns = (filter_matrix(layer, node.input_shape[axis], axis) for axis in (0, 1))
    left = code.add_tensor(node, rows, "rows", fixed=True)
    right = code.add_tensor(node, columns.T, "columns", fixed=True)
    return f"{left} @ {x} @ {right}"


for kind, function in {
    kinds.GlobalMaxPool2D: "amax",
    kinds.GlobalAveragePool2D: "mean",
    kinds.GlobalSumPool2D: "sum",
}.items():
    express.register(kind, lambda layer, node, x, code, name=function: f"{x}.{name}((2, 3))")
