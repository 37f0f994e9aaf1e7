"""Normalization in PyTorch."""

import torch
from torch import Tensor, nn

from gandem.backends.torch.layers.base import build, inward, outward
from gandem.core import specs as kinds
from gandem.core.specs import Node


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
    return norm(
        node.input_shape[-1], eps=layer.epsilon, momentum=1 - layer.decay, affine=layer.affine
    )


class LayerNorm(nn.LayerNorm):
    """Layer norm over channels-last features."""

    def forward(self, x: Tensor) -> Tensor:
        return inward(super().forward(outward(x)))


@build.register
def _(layer: kinds.LayerNorm, node: Node) -> nn.Module:
    shape = node.input_shape if layer.over == "all" else node.input_shape[-1:]
    return LayerNorm(shape, eps=layer.epsilon, elementwise_affine=layer.affine)


@build.register
def _(layer: kinds.GroupNorm, node: Node) -> nn.Module:
    return nn.GroupNorm(layer.groups, node.input_shape[-1], eps=layer.epsilon, affine=layer.affine)


@build.register
def _(layer: kinds.InstanceNorm, node: Node) -> nn.Module:
    return nn.InstanceNorm2d(node.input_shape[-1], eps=layer.epsilon, affine=layer.affine)


class PixelNorm(nn.Module):
    """Divides the channels of each pixel by the root of their mean square."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(1, keepdim=True) + self.epsilon)


build.register(kinds.PixelNorm, lambda layer, node: PixelNorm(layer.epsilon))


@build.register(kinds.MinibatchStddev)
class MinibatchStddev(nn.Module):
    """Appends the mean deviation of the features over groups of samples."""

    def __init__(self, layer: kinds.MinibatchStddev, node: Node) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        (count, _, *pixels), layer = x.shape, self.layer
        size = max(n for n in range(1, layer.group_size + 1) if count % n == 0)
        grouped = x.reshape(size, count // size, layer.features, -1, *pixels)
        variance = (grouped - grouped.mean(0)).square().mean(0)  # (M, features, C / features, H, W)
        deviation = (variance + layer.epsilon).sqrt().mean((2, 3, 4))
        planes = deviation.repeat(size, 1)[:, :, None, None].expand(-1, -1, *pixels)
        return torch.cat([x, planes], dim=1).contiguous(memory_format=torch.channels_last)
