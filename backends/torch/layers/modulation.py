"""Layers of PyTorch that a vector modulates, style vectors, and noise on pixels."""

import torch
from torch import Tensor, nn

from gandem.backends.torch.layers.affine import ROWS, arrays_of
from gandem.backends.torch.layers.base import Context, ContextModule, build
from gandem.backends.torch.layers.graph import Branched
from gandem.core import specs as kinds
from gandem.core.specs import FADE_IN, Node


def expand(vector: Tensor, x: Tensor) -> Tensor:
    """Give a vector (N, C) the axes of an image ``x`` (N, C, H, W); leave others unchanged."""
    return vector[:, :, None, None] if x.ndim == 4 and vector.ndim == 2 else vector


@build.register(kinds.Modulate)
class Modulate(Branched):
    """x·(1 + scale) + offset."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        scale, offset = (expand(self.read(name, context), x) for name in ("scale", "offset"))
        return x * (1 + scale) + offset


@build.register(kinds.Multiply)
class Multiply(Branched):
    """x·layers(input)."""

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return x * expand(self.read("layers", context), x)


@build.register(kinds.Blend)
class Blend(Branched):
    """weight·x + (1 - weight)·layers(input)."""

    def __init__(self, layer: kinds.Blend, node: Node) -> None:
        super().__init__(layer, node)
        self.weight = None if isinstance(layer, kinds.FadeIn) else layer.weight

    def forward(self, x: Tensor, context: Context) -> Tensor:
        weight = self.weight
        if weight is None:
            weight = expand(context.inputs[FADE_IN], x)
        return weight * x + (1 - weight) * self.read("layers", context)


ROWS[kinds.ModulatedConv2D] = ROWS[kinds.Conv2D]
ROWS[kinds.ModulatedConv2DTranspose] = ROWS[kinds.Conv2DTranspose]


@build.register(kinds.ModulatedConv2D)
@build.register(kinds.ModulatedConv2DTranspose)
class ModulatedConv2d(Branched):
    """A convolution of channels times a style, over the norm of the modulated kernel."""

    def __init__(
        self, layer: kinds.ModulatedConv2D | kinds.ModulatedConv2DTranspose, node: Node
    ) -> None:
        super().__init__(layer, node)
        self.is_transposed = isinstance(layer, kinds.Conv2DTranspose)  # weight (in, out, kh, kw)
        plain = kinds.Conv2DTranspose if self.is_transposed else kinds.Conv2D
        self.conv = build.dispatch(plain)(layer, node)
        self.demodulate, self.epsilon = layer.demodulate, layer.epsilon

    def forward(self, x: Tensor, context: Context) -> Tensor:
        style, (weight, bias) = self.read("layers", context), arrays_of(self.conv)
        x = self.conv.convolve(x * expand(style, x), weight, None)
        if self.demodulate:
            squares = weight.square().sum((2, 3))
            energy = style.square() @ (squares if self.is_transposed else squares.T)  # (N, out)
            x = x * expand(torch.rsqrt(energy + self.epsilon), x)
        return x if bias is None else x + bias[:, None, None]


@build.register(kinds.Styles)
class Styles(Branched):
    """Copies of a style; without a draw of core, as in a user's loop, it mixes none."""

    def __init__(self, layer: kinds.Styles, node: Node) -> None:
        super().__init__(layer, node)
        self.path, self.count, self.decay = node.path, layer.count, layer.decay
        self.register_buffer("mean", torch.zeros(node.statistics[0].shape))
        shares = torch.tensor(layer.shares, dtype=torch.float64)
        self.register_buffer("shares", shares[:, None], persistent=False)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        drawn, other = context.draws.get(self.path), None
        if drawn is not None:
            other = self.layers(drawn[:, :-1], context)[:, None]
        style = self.layers(x, context)  # (N, D)
        if self.training:
            with torch.no_grad():
                self.mean.mul_(self.decay).add_(style.mean(0), alpha=1 - self.decay)
        copies = style[:, None].expand(-1, self.count, -1)  # (N, count, D)
        if other is not None:
            is_other = drawn[:, -1:, None] < self.shares  # (N, count, 1)
            copies = torch.where(is_other, other, copies)
        return copies.flatten(1)


@build.register(kinds.PixelNoise)
class PixelNoise(ContextModule):
    """Noise times a strength; it draws its own without noise from core, as in a user's loop."""

    def __init__(self, layer: kinds.PixelNoise, node: Node) -> None:
        super().__init__()
        self.path = node.path
        self.strength = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        if not self.training:
            return x
        noise = context.draws.get(self.path)
        if noise is None:
            noise = torch.randn(len(x), 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        return x + self.strength * noise
