"""Normalization in PyTorch."""

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
