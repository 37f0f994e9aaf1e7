"""Layers of PyTorch that contain layers or read other inputs."""

import torch
from torch import Tensor, nn

from gandem.backends.torch.layers.affine import Conv2d, ConvTranspose2d, Linear
from gandem.backends.torch.layers.base import Context, ContextModule, build
from gandem.core import specs as kinds
from gandem.core.specs import Node

REWRITABLE = (Linear, Conv2d, ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d)
"""Modules whose gradient does not need their output."""
TAKEN = {
    *("training", "names", "references", "plan", "orders", "arrays", "weights", "load_arrays"),
    *("from_numpy", "run"),
}
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
        self.references = {
            name: node.reference
            for name, node in zip(self.names, nodes, strict=True)
            if node.is_read
        }
        before: nn.Module | None = None
        for name, node in zip(self.names, nodes, strict=True):
            module = build(node.layer, node)
            # its input is not used elsewhere, also not by the backward pass: saves memory
            if isinstance(module, nn.ReLU | nn.LeakyReLU) and isinstance(before, REWRITABLE):
                module.inplace = True
            self.add_module(name, module)
            before = None if node.is_read else module

    def forward(self, x: Tensor, context: Context, part: slice = slice(None)) -> Tensor:
        for name in self.names[part]:
            module = self._modules[name]
            x = module(x, context) if isinstance(module, ContextModule) else module(x)
            if name in self.references:
                context.inputs[self.references[name]] = x
        return x


class Branched(ContextModule):
    """A module with a chain for each list of layers inside it."""

    def __init__(self, layer: kinds.Layer, node: Node) -> None:
        super().__init__()
        self.input = node.reads
        for name, nodes in node.branches.items():
            self.add_module(name, Chain(nodes))

    def read(self, branch: str, context: Context) -> Tensor:
        """Return the result of a branch on the input that the layer reads."""
        return self._modules[branch](context.inputs[self.input], context)


@build.register(kinds.Concatenate)
class Concatenate(Branched):
    """Concatenates another input along the channels."""

    def __init__(self, layer: kinds.Concatenate, node: Node) -> None:
        super().__init__(layer, node)
        self.planes = layer.planes

    def forward(self, x: Tensor, context: Context) -> Tensor:
        other = self.read("layers", context)
        if self.planes:
            other = other[:, :, None, None].expand(-1, -1, *x.shape[2:])  # (N, C, H, W)
        joined = torch.cat([x, other], dim=1)
        return joined.contiguous(memory_format=torch.channels_last) if joined.ndim == 4 else joined


@build.register(kinds.Add)
class Add(Branched):
    """x + layers(input)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return x + self.read("layers", context)


@build.register(kinds.Dot)
class Dot(Branched):
    """The inner product of x and layers(input)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return (x * self.read("layers", context)).sum(dim=1, keepdim=True)


@build.register(kinds.Read)
class Read(Branched):
    """Another input instead of x."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return context.inputs[self.input]


@build.register(kinds.Residual)
class Residual(Branched):
    """layers(x) + shortcut(x)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return self.layers(x, context) + self.shortcut(x, context)


@build.register(kinds.Head)
class Head(Branched):
    """layers(x)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return self.layers(x, context)
