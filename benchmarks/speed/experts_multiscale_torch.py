"""MSG-GAN in a plain PyTorch loop, as an expert writes it, at a small width.

This code does not use gandem; gandem is measured against it. Images are channels-last, activations
in place where autograd allows it, Adam is fused, and R1 takes its gradient from the pass that gives
the loss.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from experts_residual_torch import batches_of
from experts_torch import Loop, Player, prepare
from torch import Tensor, nn

__all__ = ["EXPERTS"]

WIDTH, LATENT, SIZES, BATCH = 32, 64, (7, 14, 28), 64
"""Channels, numbers of noise, resolutions in pixels, and images per batch."""
GROUP = 4


class Conv(nn.Module):
    """A convolution with an equalized learning rate."""

    def __init__(self, inputs: int, filters: int, kernel: int, pad: int) -> None:
        super().__init__()
        weight = torch.randn(filters, inputs, kernel, kernel)
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(filters))
        self.scale, self.pad = math.sqrt(2 / (inputs * kernel * kernel)), pad

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.pad)


class Start(nn.Module):
    """The first layer: noise to 7×7 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(LATENT, WIDTH, SIZES[0], SIZES[0]))
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight * math.sqrt(2 / LATENT)
        return F.conv_transpose2d(x[:, :, None, None], kernel, self.bias)


def activate(x: Tensor) -> Tensor:
    return F.leaky_relu_(x, 0.2)


def normalize(x: Tensor) -> Tensor:
    """Pixel norm."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Generator(nn.Module):
    """Images of 7, 14 and 28 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.start = Start()
        self.convs = nn.ModuleList(Conv(WIDTH, WIDTH, 3, 1) for _ in range(2 * len(SIZES) - 1))
        self.heads = nn.ModuleList(Conv(WIDTH, 1, 1, 0) for _ in SIZES)

    def forward(self, noise: Tensor) -> list[Tensor]:
        first, *rest = self.convs
        x = activate(self.start(normalize(noise)))
        x = normalize(activate(first(x)))
        images = [self.heads[0](x)]
        for i, head in enumerate(self.heads[1:]):
            x = F.interpolate(x, scale_factor=2)
            for conv in rest[2 * i : 2 * i + 2]:
                x = normalize(activate(conv(x)))
            images.append(head(x))
        return images


def append_deviations(x: Tensor) -> Tensor:
    """Append the mean deviation of groups of four images, as a channel."""
    groups = x.view(GROUP, -1, *x.shape[1:])
    deviations = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    plane = deviations.repeat(GROUP)[:, None, None, None].expand(-1, 1, *x.shape[2:])
    return torch.cat([x, plane], 1).contiguous(memory_format=torch.channels_last)


class Discriminator(nn.Module):
    """Reads the images of all sizes; the last block ends in one logit."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Conv(1, WIDTH, 1, 0)
        inputs = [WIDTH + 2, WIDTH + 2, WIDTH + 1]  # by size: features, the image, deviations
        self.before = nn.ModuleList(Conv(count, WIDTH, 3, 1) for count in inputs)
        self.after = nn.ModuleList(Conv(WIDTH, WIDTH, 3, 1) for _ in SIZES[1:])
        self.last, self.logit = Conv(WIDTH, WIDTH, SIZES[0], 0), Conv(WIDTH, 1, 1, 0)

    def forward(self, images: list[Tensor]) -> Tensor:
        x = activate(self.first(images[-1]))
        for i in range(len(SIZES) - 1, 0, -1):
            x = activate(self.before[i](append_deviations(x)))
            x = F.avg_pool2d(activate(self.after[i - 1](x)), 2)
            x = torch.cat([x, images[i - 1]], 1)
        x = activate(self.before[0](append_deviations(x)))
        return self.logit(activate(self.last(x))).flatten(1)


def shrink(image: Tensor) -> list[Tensor]:
    """Return an image at all sizes, the smallest first."""
    return [F.avg_pool2d(image, 4), F.avg_pool2d(image, 2), image]


def msg_gan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """The non-saturating loss with R1 at all sizes in each step, and a weight average."""
    prepare(device)
    generator, critic = (
        Player(network(), device, 3e-3, (0.0, 0.99)) for network in (Generator, Discriminator)
    )
    averages = [weight.detach().clone() for weight in generator.weights]
    batches = batches_of(images, labels, device)

    def step() -> tuple[Tensor, Tensor]:
        real, _ = next(batches)
        while len(real) < BATCH:  # the last batch of an epoch
            real, _ = next(batches)
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT, device=device))
        leaves = [image.requires_grad_() for image in shrink(real)]
        logits = critic(leaves)
        slopes = torch.autograd.grad(logits.sum(), leaves, create_graph=True)
        penalty = sum(0.5 * slope.square().sum((1, 2, 3)).mean() for slope in slopes) / len(slopes)
        loss = F.softplus(-logits).mean() + F.softplus(critic(fake)).mean()
        d_loss = critic.learn(loss + 10 * penalty)
        fake = generator(torch.randn(BATCH, LATENT, device=device))
        g_loss = generator.learn(F.softplus(-critic(fake)).mean())
        with torch.no_grad():
            torch._foreach_lerp_(averages, generator.weights, 1e-3)
        return d_loss, g_loss

    return Loop(step)


EXPERTS = {"msg-gan": msg_gan}
