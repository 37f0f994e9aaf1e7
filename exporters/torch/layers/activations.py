"""Activations and dropout."""

from __future__ import annotations

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node
from gandem.exporters.torch.code import Code, express


@express.register
def _(layer: kinds.LeakyRelu, node: Node, x: str, code: Code) -> str:
    gain = "" if layer.gain == 1 else f" * {layer.gain!r}"
    return f"F.leaky_relu({x}, {layer.slope!r}){gain}"


@express.register
def _(layer: kinds.Elu, node: Node, x: str, code: Code) -> str:
    return f"F.elu({x}, {layer.alpha!r})"


@express.register
def _(layer: kinds.Gelu, node: Node, x: str, code: Code) -> str:
    return f'F.gelu({x}, approximate="{layer.approximation}")'


@express.register
def _(layer: kinds.Prelu, node: Node, x: str, code: Code) -> str:
    slope = code.array(node, "slope")
    return f"{code.add_module(node, f'nn.PReLU({len(slope)})', weight=slope)}({x})"


@express.register
def _(layer: kinds.Dropout, node: Node, x: str, code: Code) -> str:
    rate = dropout_levels(layer.rate) / 256
    return f"{code.add_module(node, f'nn.Dropout({rate!r})')}({x})"


for kind, function in {
    kinds.Relu: "F.relu",
    kinds.Silu: "F.silu",
    kinds.Selu: "F.selu",
    kinds.Softplus: "F.softplus",
    kinds.Tanh: "torch.tanh",
    kinds.Sigmoid: "torch.sigmoid",
}.items():
    express.register(kind, lambda layer, node, x, code, name=function: f"{name}({x})")
