"""The tensor functions of PyTorch that losses are written with."""

import torch
import torch.nn.functional as F
from torch import Tensor


class TorchOps:
    """See :class:`gandem.core.training.Ops`."""

    def mean(self, x: Tensor) -> Tensor:
        return torch.mean(x)

    def square(self, x: Tensor) -> Tensor:
        return x * x

    def sqrt(self, x: Tensor) -> Tensor:
        return torch.sqrt(x)

    def sum_rows(self, x: Tensor) -> Tensor:
        return x.flatten(1).sum(1)

    def relu(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def softplus(self, x: Tensor) -> Tensor:
        # F.softplus returns x itself above 20, which is 2e-9 off; the fused loss for target 0 is
        # log(1 + exp(x)) exactly
        return F.binary_cross_entropy_with_logits(x, torch.zeros_like(x), reduction="none")

    def cross_entropy(self, logits: Tensor, weights: Tensor) -> Tensor:
        return F.cross_entropy(logits, weights)

    def positive(self, x: Tensor) -> Tensor:
        return (x.detach() > 0).to(x.dtype)

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([first, second])

    def ranks(self, x: Tensor) -> Tensor:
        order = torch.argsort(x[:, 0], descending=True, stable=True)
        return torch.argsort(order)[:, None].to(x.dtype)

    def column_products(self, x: Tensor) -> Tensor:
        products = x.mT @ x
        return products - torch.diag(torch.diagonal(products))

    def pack(self, images: Tensor, count: int) -> Tensor:
        packed = images.reshape(-1, count * images.shape[1], *images.shape[2:])  # (N, C, H, W)
        return packed.contiguous(memory_format=torch.channels_last) if packed.ndim == 4 else packed

    def batch_mean(self, x: Tensor) -> Tensor:
        return x.mean(0, keepdim=True)

    def channel_mean(self, images: Tensor) -> Tensor:
        return images.mean(1, keepdim=True)  # (N, 1, H, W)

    def image_mean(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3), keepdim=True)

    def warp(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return rows[:, None] @ images @ columns[:, None].mT  # (N, C, H, W)

    def gram(self, images: Tensor) -> Tensor:
        pixels = images.permute(0, 2, 3, 1).flatten(1, 2)  # (N, H·W, C)
        return pixels.mT @ pixels
