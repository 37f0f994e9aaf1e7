"""Dense layers, convolutions, embeddings and spectral norm in PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandem.backends.torch.layers.base import build
from gandem.core import specs as kinds
from gandem.core.specs import Node, crops, pads


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value. Miyato et al. 2018, arXiv:1802.05957.

    torch's own iterates on each access of the weight; this one once per forward pass.
    """

    def __init__(self, node: Node, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order
        for vector in node.statistics:
            first = torch.full(vector.shape, vector.size**-0.5)
            self.register_buffer(vector.name.rsplit("/", 1)[1], first)

    def forward(self, weight: Tensor) -> Tensor:
        matrix = weight.permute(self.order).flatten(1)  # (out, kh·kw·in)
        if self.training:
            with torch.no_grad():
                u = F.normalize(matrix @ self.right_vector, dim=0, eps=1e-12)
                self.left_vector.copy_(u)
                self.right_vector.copy_(F.normalize(u @ matrix, dim=0, eps=1e-12))
        # copies, since the next pass overwrites the buffers before the backward pass of this one
        u, v = self.left_vector.clone(), self.right_vector.clone()
        return weight / torch.dot(u, matrix @ v)


ROWS = {
    kinds.Dense: (0, 1),
    kinds.Conv2D: (0, 2, 3, 1),
    kinds.Conv2DTranspose: (1, 2, 3, 0),
}
"""The permutation of each of torch's weights to (out, kh, kw, in)."""


def _prepare(
    module: "Linear | Conv2d | ConvTranspose2d",
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose,
    node: Node,
) -> nn.Module:
    """Add the spectral norm and the multipliers of a layer to its module."""
    module.spectral_norm = SpectralNorm(node, ROWS[type(layer)]) if layer.spectral_norm else None
    multipliers = tuple(parameter.multiplier for parameter in node.parameters)
    module.multipliers = () if set(multipliers) == {1} else multipliers
    return module


def arrays_of(module: "Linear | Conv2d | ConvTranspose2d") -> tuple[Tensor, Tensor | None]:
    """Return weight and bias of a module: the weight divided by its spectral norm if it has one,
    each times its multiplier.
    """
    norm, bias = module.spectral_norm, module.bias
    weight = module.weight if norm is None else norm(module.weight)
    if not module.multipliers:
        return weight, bias
    scale, *rates = module.multipliers
    return weight * scale, None if bias is None else bias * rates[0]


class Linear(nn.Linear):
    """A dense layer."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *arrays_of(self))


@build.register
def _(layer: kinds.Dense, node: Node) -> nn.Module:
    return _prepare(Linear(node.input_shape[0], layer.units, bias=layer.bias), layer, node)


class Conv2d(nn.Conv2d):
    """A convolution with a padding for each of the four sides."""

    before: tuple[int, int, int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, *arrays_of(self))

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the convolution with a weight."""
        x = x if self.before is None else F.pad(x, self.before)
        crop = [k - 1 - p for k, p in zip(self.kernel_size, self.padding, strict=True)]
        if x.dtype == torch.float64 and self._copies_windows() and min(crop) >= 0:
            flipped = weight.flip(2, 3).transpose(0, 1)
            return F.conv_transpose2d(x, flipped, bias, padding=crop)
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def _copies_windows(self) -> bool:
        """Return True if the transposed convolution that computes the same is faster in float64.

        torch's kernel for the CPU copies each window of the input. With kernel 7 and 8 channels to
        1 this takes 7 times as long, with kernel 3 as long.
        """
        is_large = self.kernel_size[0] * self.kernel_size[1] >= 25
        is_plain = self.stride == self.dilation == (1, 1) and self.groups == 1
        return is_large and is_plain and self.out_channels < self.in_channels


@build.register
def _(layer: kinds.Conv2D, node: Node) -> nn.Module:
    height, width, channels = node.input_shape
    (top, bottom), (left, right) = pads(layer, height, width)
    even = (top, left) if (top, left) == (bottom, right) else (0, 0)
    sizes = (channels, layer.filters, layer.kernel, layer.stride, even)
    module = Conv2d(*sizes, dilation=layer.dilation, groups=layer.groups, bias=layer.bias)
    if (top, left) != (bottom, right):
        module.before = (left, right, top, bottom)
    return _prepare(module, layer, node)


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with a crop, or an extension, for each of the four sides."""

    rest: tuple[int, int, int, int] = (0, 0, 0, 0)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.convolve(x, *arrays_of(self))

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the transposed convolution with a weight."""
        whole = not any(self.rest)
        out = F.conv_transpose2d(
            x,
            weight,
            bias if whole else None,
            self.stride,
            self.padding,
            self.output_padding,
        )
        if whole:
            return out
        out = F.pad(out, self.rest)  # negative numbers crop
        return out if bias is None else out + bias[:, None, None]


@build.register
def _(layer: kinds.Conv2DTranspose, node: Node) -> nn.Module:
    channels = node.input_shape[2]
    padding, extra, rest = [], [], []
    for (before, after), stride in zip(crops(layer), layer.stride, strict=True):
        even = max(0, min(before, after + stride - 1))  # torch crops both sides equally
        # torch extends only the far side, by less than a stride
        op = min(max(even - after, 0), stride - 1)
        padding.append(even)
        extra.append(op)
        rest = [even - before, even - op - after, *rest]  # F.pad wants the last axis first
    module = ConvTranspose2d(
        channels, layer.filters, layer.kernel, layer.stride, padding, extra, bias=layer.bias
    )
    module.rest = tuple(rest)
    return _prepare(module, layer, node)


@build.register(kinds.Embedding)
class Embedding(nn.Module):
    """Class weights times a table, so labels between two classes are possible."""

    def __init__(self, layer: kinds.Embedding, node: Node) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(node.input_shape[0], layer.units))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


@build.register(kinds.Constant)
class Constant(nn.Module):
    """A learned image for each sample."""

    def __init__(self, layer: kinds.Constant, node: Node) -> None:
        super().__init__()
        height, width, channels = node.output_shape
        self.value = nn.Parameter(torch.empty(channels, height, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x), -1, -1, -1)


@build.register(kinds.PositionEmbedding)
class PositionEmbedding(nn.Module):
    """Adds a learned vector to each pixel."""

    def __init__(self, layer: kinds.PositionEmbedding, node: Node) -> None:
        super().__init__()
        height, width, channels = node.output_shape
        self.position = nn.Parameter(torch.empty(channels, height, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.position


@build.register(kinds.Bias)
class Bias(nn.Module):
    """Adds a learned number to each channel."""

    def __init__(self, layer: kinds.Bias, node: Node) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(node.input_shape[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.bias[:, None, None] if x.ndim == 4 else self.bias)
