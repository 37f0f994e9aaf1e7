"""Attention in PyTorch."""

import torch
from torch import Tensor, nn

from gandem.backends.torch.layers.base import Context, build, inward, outward
from gandem.backends.torch.layers.graph import Branched
from gandem.core import specs as kinds
from gandem.core.specs import Node


@build.register(kinds.SelfAttention)
class SelfAttention(Branched):
    """Each pixel reads all pixels. Zhang et al. 2018, arXiv:1805.08318.

    Not ``scaled_dot_product_attention``, whose fast kernels have no second derivatives.
    """

    def __init__(self, layer: kinds.SelfAttention, node: Node) -> None:
        super().__init__(layer, node)
        self.gamma = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor, context: Context) -> Tensor:
        query, key, value = (
            outward(branch(x, context)).flatten(1, 2)  # (N, H·W, C), a view in channels_last
            for branch in (self.query, self.key, self.value)
        )
        weights = torch.softmax(query @ key.transpose(1, 2), dim=2)  # (N, H·W, keys)
        read = inward((weights @ value).unflatten(1, x.shape[2:]))
        return x + self.gamma * self.output(read, context)
