"""What all layers of PyTorch have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch

from torch import Tensor, nn

from gandem.core import specs as kinds
from gandem.core.specs import Node


@dataclass
class Context:
    """The inputs of the network and the outputs of layers that others read, by name; the dropout
    masks and pixel noise by the path of their layer.
    """

    inputs: dict[str, Tensor]
    draws: Mapping[str, Tensor] = field(default_factory=dict)


class ContextModule(nn.Module):
    """A module whose ``forward`` also takes the context."""


@singledispatch
def build(layer: kinds.Layer, node: Node) -> nn.Module:
    """Return the module of a node."""
    raise TypeError(f"{node.path}: the PyTorch backend does not know the layer {layer.kind!r}.")


def inward(x: Tensor) -> Tensor:
    """Permute (N, H, W, C) to (N, C, H, W), as a view; leave vectors unchanged."""
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def outward(x: Tensor) -> Tensor:
    """Permute (N, C, H, W) to (N, H, W, C), as a view; leave vectors unchanged."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x
