"""Activations and dropout in PyTorch."""

import torch
from torch import Tensor, nn

from gandem.backends.torch.layers.base import Context, ContextModule, build
from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node


@build.register(kinds.Dropout)
class Dropout(ContextModule, nn.Dropout):
    """Dropout with a mask from core; it draws its own without one, as in a user's loop."""

    def __init__(self, layer: kinds.Dropout, node: Node) -> None:
        super().__init__(dropout_levels(layer.rate) / 256)
        self.path = node.path

    def forward(self, x: Tensor, context: Context) -> Tensor:  # type: ignore[override]
        if not self.training or self.path not in context.draws:
            return super().forward(x)
        return x * (context.draws[self.path].to(x.dtype) / (1 - self.p))


class Elu(nn.ELU):
    """ELU with second derivative alpha at 0, as in the spec; that of nn.ELU is 0."""

    def forward(self, x: Tensor) -> Tensor:
        # keeps exp of a large x out of the other branch's gradient
        below = torch.where(x > 0, 0.0, x)
        return torch.where(x > 0, x, self.alpha * torch.expm1(below))


build.register(kinds.Relu, lambda layer, node: nn.ReLU())
build.register(kinds.LeakyRelu, lambda layer, node: nn.LeakyReLU(layer.slope))
build.register(kinds.Elu, lambda layer, node: Elu(layer.alpha))
build.register(kinds.Silu, lambda layer, node: nn.SiLU())
build.register(kinds.Tanh, lambda layer, node: nn.Tanh())
build.register(kinds.Sigmoid, lambda layer, node: nn.Sigmoid())
