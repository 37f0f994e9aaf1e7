"""Layers in PyTorch: torch's modules where they follow the spec, our own elsewhere.

Images are (N, C, H, W). Parameters keep torch's names and layouts; ``network.py`` maps them to
canonical ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node, crops, pads


@dataclass
class Context:
    """The inputs of the network by name, and the dropout masks by the path of their layer."""

    inputs: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)


@singledispatch
def build(layer: kinds.Layer, node: Node) -> nn.Module:
    """Return the module of a node."""
    raise TypeError(f"{node.path}: the PyTorch backend does not know the layer {layer.kind!r}.")


# --- affine --------------------------------------------------------------------------------------


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


def _add_spectral_norm(
    module: "Linear | Conv2d | ConvTranspose2d",
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose,
    node: Node,
) -> nn.Module:
    """Add spectral norm to a module if its layer has it."""
    module.spectral_norm = SpectralNorm(node, ROWS[type(layer)]) if layer.spectral_norm else None
    return module


def _weight(module: "Linear | Conv2d | ConvTranspose2d") -> Tensor:
    """Return the weight of a module, divided by its spectral norm if it has one."""
    norm = module.spectral_norm
    return module.weight if norm is None else norm(module.weight)


class Linear(nn.Linear):
    """A dense layer."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, _weight(self), self.bias)


@build.register
def _(layer: kinds.Dense, node: Node) -> nn.Module:
    return _add_spectral_norm(
        Linear(node.input_shape[0], layer.units, bias=layer.bias), layer, node
    )


class Conv2d(nn.Conv2d):
    """A convolution with a padding for each of the four sides."""

    before: tuple[int, int, int, int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.before is None else F.pad(x, self.before)
        weight = _weight(self)
        crop = [k - 1 - p for k, p in zip(self.kernel_size, self.padding, strict=True)]
        if x.dtype == torch.float64 and self._copies_windows() and min(crop) >= 0:
            flipped = weight.flip(2, 3).transpose(0, 1)
            return F.conv_transpose2d(x, flipped, self.bias, padding=crop)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)

    def _copies_windows(self) -> bool:
        """Return True if the transposed convolution that computes the same is faster in float64.

        torch's kernel for the CPU copies each window of the input. With kernel 7 and 8 channels to
        1 this takes 7 times as long, with kernel 3 as long.
        """
        is_large = self.kernel_size[0] * self.kernel_size[1] >= 25
        return is_large and self.stride == (1, 1) and self.out_channels < self.in_channels


@build.register
def _(layer: kinds.Conv2D, node: Node) -> nn.Module:
    height, width, channels = node.input_shape
    (top, bottom), (left, right) = pads(layer, height, width)
    even = (top, left) if (top, left) == (bottom, right) else (0, 0)
    module = Conv2d(channels, layer.filters, layer.kernel, layer.stride, even, bias=layer.bias)
    if (top, left) != (bottom, right):
        module.before = (left, right, top, bottom)
    return _add_spectral_norm(module, layer, node)


class ConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution with a crop, or an extension, for each of the four sides."""

    rest: tuple[int, int, int, int] = (0, 0, 0, 0)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        whole = not any(self.rest)
        out = F.conv_transpose2d(
            x,
            _weight(self),
            self.bias if whole else None,
            self.stride,
            self.padding,
            self.output_padding,
        )
        if whole:
            return out
        out = F.pad(out, self.rest)  # negative numbers crop
        return out if self.bias is None else out + self.bias[:, None, None]


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
    return _add_spectral_norm(module, layer, node)


@build.register(kinds.Embedding)
class Embedding(nn.Module):
    """Class weights times a table, so labels between two classes are possible."""

    def __init__(self, layer: kinds.Embedding, node: Node) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(node.input_shape[0], layer.units))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


# --- sizes ---------------------------------------------------------------------------------------


@build.register
def _(layer: kinds.Upsample2D, node: Node) -> nn.Module:
    if layer.method == "nearest":
        return nn.Upsample(scale_factor=layer.factor, mode="nearest")
    return nn.Upsample(scale_factor=layer.factor, mode="bilinear", align_corners=False)


class MaxPool2d(nn.Module):
    """Maximum over windows, padded on four sides with -inf."""

    def __init__(self, layer: kinds.MaxPool2D, sides: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.size, self.stride, self.sides = layer.size, layer.stride, sides

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x, self.sides, value=-torch.inf), self.size, self.stride)


class AvgPool2d(nn.Module):
    """Mean over windows, padded on four sides; padding is not counted."""

    def __init__(self, layer: kinds.AveragePool2D, node: Node, sides: tuple[int, ...]) -> None:
        super().__init__()
        self.size, self.stride, self.sides = layer.size, layer.stride, sides
        ones = F.pad(torch.ones(1, 1, *node.input_shape[:2], dtype=torch.float64), sides)
        share = F.avg_pool2d(ones, self.size, self.stride)  # share of image pixels in each window
        self.register_buffer("share", share, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, self.sides), self.size, self.stride) / self.share


@build.register(kinds.MaxPool2D)
@build.register(kinds.AveragePool2D)
def _(layer: kinds.MaxPool2D | kinds.AveragePool2D, node: Node) -> nn.Module:
    height, width, _ = node.input_shape
    (top, bottom), (left, right) = pads(layer, height, width)
    sides = (left, right, top, bottom)
    if isinstance(layer, kinds.MaxPool2D):
        return MaxPool2d(layer, sides) if any(sides) else nn.MaxPool2d(layer.size, layer.stride)
    return AvgPool2d(layer, node, sides) if any(sides) else nn.AvgPool2d(layer.size, layer.stride)


class GlobalMaxPool2d(nn.Module):
    """Maximum over pixels; amax shares the gradient among ties, adaptive_max_pool2d does not."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.amax(x, dim=(2, 3))


class GlobalAvgPool2d(nn.Module):
    """Mean over pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.mean(x, dim=(2, 3))


build.register(kinds.GlobalMaxPool2D, lambda layer, node: GlobalMaxPool2d())
build.register(kinds.GlobalAveragePool2D, lambda layer, node: GlobalAvgPool2d())


@build.register(kinds.Flatten)
@build.register(kinds.Reshape)
class Reshape(nn.Module):
    """Reshapes features in (H, W, C) order, or with ``channels_first`` in (C, H, W) order."""

    channels_first = False

    def __init__(self, layer: kinds.Flatten | kinds.Reshape, node: Node) -> None:
        super().__init__()
        self.shape = node.output_shape

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_first:
            *pixels, channels = self.shape
            return x.reshape(-1, channels, *pixels)
        return inward(outward(x).reshape(-1, *self.shape))

    def extra_repr(self) -> str:
        return f"{self.shape}, channels_first={self.channels_first}"


def inward(x: Tensor) -> Tensor:
    """Permute (N, H, W, C) to (N, C, H, W), as a view; leave vectors unchanged."""
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def outward(x: Tensor) -> Tensor:
    """Permute (N, C, H, W) to (N, H, W, C), as a view; leave vectors unchanged."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


# --- norms ---------------------------------------------------------------------------------------


class BiasedVariance(nn.Module):
    """A mix-in for batch norms whose running variance follows the biased variance."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        kept = (1 - self.momentum) * self.running_var
        output = super().forward(x)  # adds momentum · n/(n-1) · the biased variance
        # .data, because autograd must not see that a buffer of this pass changes once more
        self.running_var.data.lerp_(kept, x.shape[1] / x.numel())  # 1/n
        return output


class BiasedBatchNorm1d(BiasedVariance, nn.BatchNorm1d):
    """Batch norm of vectors with a biased running variance."""


class BiasedBatchNorm2d(BiasedVariance, nn.BatchNorm2d):
    """Batch norm of images with a biased running variance."""


BATCH_NORMS = {
    ("unbiased", 1): nn.BatchNorm1d,
    ("unbiased", 3): nn.BatchNorm2d,
    ("biased", 1): BiasedBatchNorm1d,
    ("biased", 3): BiasedBatchNorm2d,
}


@build.register
def _(layer: kinds.BatchNorm, node: Node) -> nn.Module:
    norm = BATCH_NORMS[layer.running_variance, len(node.input_shape)]
    return norm(node.input_shape[-1], eps=layer.epsilon, momentum=1 - layer.decay)


class LayerNorm(nn.LayerNorm):
    """Layer norm over channels-last features."""

    def forward(self, x: Tensor) -> Tensor:
        return inward(super().forward(outward(x)))


@build.register
def _(layer: kinds.LayerNorm, node: Node) -> nn.Module:
    shape = node.input_shape if layer.over == "all" else node.input_shape[-1:]
    return LayerNorm(shape, eps=layer.epsilon)


@build.register
def _(layer: kinds.GroupNorm, node: Node) -> nn.Module:
    return nn.GroupNorm(layer.groups, node.input_shape[-1], eps=layer.epsilon)


@build.register
def _(layer: kinds.InstanceNorm, node: Node) -> nn.Module:
    return nn.InstanceNorm2d(node.input_shape[-1], eps=layer.epsilon, affine=True)


# --- pointwise -----------------------------------------------------------------------------------


@build.register(kinds.Dropout)
class Dropout(nn.Dropout):
    """Dropout with a mask from core; it draws its own without one, as in a user's loop."""

    def __init__(self, layer: kinds.Dropout, node: Node) -> None:
        super().__init__(dropout_levels(layer.rate) / 256)
        self.path = node.path

    def forward(self, x: Tensor, context: Context) -> Tensor:  # type: ignore[override]
        if not self.training or self.path not in context.masks:
            return super().forward(x)
        return x * (context.masks[self.path].to(x.dtype) / (1 - self.p))


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
