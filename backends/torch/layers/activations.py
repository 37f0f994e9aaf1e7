"""Activations and dropout in PyTorch."""

import torch
import torch.nn.functional as F
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


class Selu(Elu):
    """SELU with second derivatives of the spec at 0."""

    def __init__(self) -> None:
        super().__init__(kinds.Selu.alpha)

    def forward(self, x: Tensor) -> Tensor:
        return kinds.Selu.scale * super().forward(x)


class LeakyRelu(nn.Module):
    """A leaky ReLU times a gain."""

    def __init__(self, slope: float, gain: float) -> None:
        super().__init__()
        self.slope, self.gain = slope, gain

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.slope).mul_(self.gain)  # the gradient needs only x


class Prelu(nn.PReLU):
    """PReLU with second derivative 1 by slope and input at 0, as in the spec; nn.PReLU's is 0."""

    def forward(self, x: Tensor) -> Tensor:
        slope = self.weight[:, None, None] if x.ndim == 4 else self.weight
        return torch.where(x > 0, x, slope * x)


class Softplus(nn.Module):
    """log(1 + exp(x)); nn.Softplus returns x itself above 20, which is 2e-9 off."""

    def forward(self, x: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(x, torch.zeros_like(x), reduction="none")


@build.register
def _(layer: kinds.LeakyRelu, node: Node) -> nn.Module:
    return nn.LeakyReLU(layer.slope) if layer.gain == 1 else LeakyRelu(layer.slope, layer.gain)


build.register(kinds.Relu, lambda layer, node: nn.ReLU())
build.register(kinds.Elu, lambda layer, node: Elu(layer.alpha))
build.register(kinds.Silu, lambda layer, node: nn.SiLU())
build.register(kinds.Tanh, lambda layer, node: nn.Tanh())
build.register(kinds.Sigmoid, lambda layer, node: nn.Sigmoid())
build.register(kinds.Selu, lambda layer, node: Selu())
build.register(kinds.Gelu, lambda layer, node: nn.GELU(layer.approximation))
build.register(kinds.Softplus, lambda layer, node: Softplus())
build.register(kinds.Prelu, lambda layer, node: Prelu(node.input_shape[-1]))
