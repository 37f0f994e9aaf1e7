"""Layers of PyTorch that contain layers or read other inputs."""

import torch
from torch import Tensor, nn

from gandem.backends.torch.layers.activations import Dropout
from gandem.backends.torch.layers.affine import Conv2d, ConvTranspose2d, Linear
from gandem.backends.torch.layers.base import Context, build
from gandem.core import specs as kinds
from gandem.core.specs import Node

REWRITABLE = (Linear, Conv2d, ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d)
"""Modules whose gradient does not need their output."""
TAKEN = {"training", "names", "plan", "orders", "arrays", "weights", "load_arrays", "from_numpy"}
"""Attributes of networks, which no layer can have as its name."""


def attribute(path: str) -> str:
    """Return the attribute name of a layer: its name, with a "_" if torch uses that name."""
    name = path.rsplit("/", 1)[1]
    return f"{name}_" if hasattr(nn.Module, name) or name in TAKEN else name


class Chain(nn.Module):
    """A sequence of layers, named by the last part of their paths."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        super().__init__()
        self.names = [attribute(node.path) for node in nodes]
        before: nn.Module | None = None
        for name, node in zip(self.names, nodes, strict=True):
            module = build(node.layer, node)
            # its input is not used elsewhere, also not by the backward pass: saves memory
            if isinstance(module, nn.ReLU | nn.LeakyReLU) and isinstance(before, REWRITABLE):
                module.inplace = True
            self.add_module(name, module)
            before = module

    def forward(self, x: Tensor, context: Context) -> Tensor:
        for name in self.names:
            module = self._modules[name]
            x = module(x, context) if isinstance(module, CONTEXTUAL) else module(x)
        return x


@build.register(kinds.Concatenate)
class Concatenate(nn.Module):
    """Concatenates another input along the channels."""

    def __init__(self, layer: kinds.Concatenate, node: Node) -> None:
        super().__init__()
        self.input, self.planes = layer.input, layer.planes
        self.layers = Chain(node.branches["layers"])

    def forward(self, x: Tensor, context: Context) -> Tensor:
        other = self.layers(context.inputs[self.input], context)
        if self.planes:
            other = other[:, :, None, None].expand(-1, -1, *x.shape[2:])  # (N, C, H, W)
        joined = torch.cat([x, other], dim=1)
        return joined.contiguous(memory_format=torch.channels_last) if joined.ndim == 4 else joined


@build.register(kinds.Residual)
class Residual(nn.Module):
    """layers(x) + shortcut(x)."""

    def __init__(self, layer: kinds.Residual, node: Node) -> None:
        super().__init__()
        self.layers = Chain(node.branches["layers"])
        self.shortcut = Chain(node.branches["shortcut"])

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return self.layers(x, context) + self.shortcut(x, context)


CONTEXTUAL = (Dropout, Concatenate, Residual)
