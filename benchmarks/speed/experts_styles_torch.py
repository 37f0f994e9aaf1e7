"""StyleGAN2 in a plain PyTorch loop, as an expert writes it, at a small width.

This code does not use gandem; gandem is measured against it. Styles scale the channels of an image,
not a kernel for each image, which takes grouped convolutions; images are channels-last, Adam is
fused, and the blur is a depthwise convolution.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from experts_residual_torch import batches_of
from experts_torch import Loop, Player, Vectors, prepare
from torch import Tensor, nn

__all__ = ["EXPERTS"]

WIDTH, LATENT, LEVELS, BATCH = 32, 64, 3, 64
"""Channels, numbers of a style, resolutions (7, 14 and 28 pixels), and images per batch."""
COPIES = 2 * LEVELS
ROOT = math.sqrt(2)


def activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2) * ROOT


class Linear(nn.Module):
    """A dense layer with an equalized learning rate."""

    def __init__(self, inputs: int, units: int, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(units, inputs) / rate)
        self.bias = nn.Parameter(torch.full((units,), bias))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class Blur(nn.Module):
    """The filter 1, 3, 3, 1 with padding and a stride, or doubling the size."""

    def __init__(self, channels: int, pad: int, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        filter = gain * torch.outer(taps, taps)
        self.register_buffer("filter", filter.repeat(channels, 1, 1, 1))
        self.channels, self.pad, self.stride = channels, pad, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filter, None, self.stride, self.pad, groups=self.channels)

    def enlarge(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, 4 * self.filter, None, 2, 1, groups=self.channels)


class Styled(nn.Module):
    """A modulated convolution with noise, bias and activation."""

    def __init__(self, up: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH, WIDTH, 3, 3))
        self.style = Linear(LATENT, WIDTH, bias=1.0)
        self.bias, self.strength = (nn.Parameter(torch.zeros(n)) for n in (WIDTH, 1))
        self.blur = Blur(WIDTH, 1, gain=4.0) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.style(w), self.weight / math.sqrt(9 * WIDTH)
        x = x * style[:, :, None, None]
        energy = weight.square().sum((2, 3))
        if self.blur is None:
            x = F.conv2d(x, weight, padding=1)
        else:
            x, energy = F.conv_transpose2d(x, weight, stride=2), energy.T
        scale = torch.rsqrt(style.square() @ energy.T + 1e-8)
        x = x * scale[:, :, None, None]
        x = x if self.blur is None else self.blur(x)
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device)
        return activate(x + self.strength * noise + self.bias[:, None, None])


class ToImage(nn.Module):
    """A modulated convolution to one channel, without demodulation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, WIDTH, 1, 1))
        self.style, self.bias = Linear(LATENT, WIDTH, bias=1.0), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.style(w)[:, :, None, None]
        return F.conv2d(x * style, self.weight / math.sqrt(WIDTH), self.bias)


class Generator(nn.Module):
    """Noise to images, (N, 64) → (N, 1, 28, 28), by way of the styles (N, 6, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.ModuleList(Linear(LATENT, LATENT, rate=0.01) for _ in range(8))
        self.start = nn.Parameter(torch.randn(1, WIDTH, 7, 7))
        self.convolutions = nn.ModuleList(Styled(bool(i % 2)) for i in range(2 * LEVELS - 1))
        self.to_images = nn.ModuleList(ToImage() for _ in range(LEVELS))
        self.upsampling = Blur(1, 1)
        self.register_buffer("mean", torch.zeros(LATENT))

    def map(self, noise: Tensor) -> Tensor:
        x = noise * torch.rsqrt(noise.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            x = activate(layer(x))
        return x

    def forward(self, noise: Tensor) -> Tensor:
        return self.draw(self.mix(noise))

    def mix(self, noise: Tensor) -> Tensor:
        w = self.map(noise)
        self.mean.lerp_(w.detach().mean(0), 0.005)
        styles = w[:, None].expand(-1, COPIES, -1)
        share = torch.arange(COPIES, device=w.device) * (0.9 / (COPIES - 1))
        other = self.map(torch.randn_like(noise))[:, None]
        is_other = torch.rand(len(noise), 1, device=w.device) < share
        return torch.where(is_other[:, :, None], other, styles)

    def draw(self, styles: Tensor) -> Tensor:
        x = self.start.expand(len(styles), -1, -1, -1)
        x = self.convolutions[0](x.contiguous(memory_format=torch.channels_last), styles[:, 0])
        image = self.to_images[0](x, styles[:, 1])
        for level in range(1, LEVELS):
            for copy in (2 * level - 1, 2 * level):
                x = self.convolutions[copy](x, styles[:, copy])
            image = self.upsampling.enlarge(image) + self.to_images[level](
                x, styles[:, 2 * level + 1]
            )
        return image


class Conv(nn.Conv2d):
    """A convolution with an equalized learning rate."""

    def __init__(self, inputs: int, kernel: int, stride: int = 1, **more) -> None:
        pad = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, WIDTH, kernel, stride, pad, **more)
        nn.init.normal_(self.weight)
        self.scale = 1 / math.sqrt(inputs * kernel * kernel)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class Down(nn.Module):
    """A residual block that halves the size."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Conv(WIDTH, 3), Conv(WIDTH, 3, 2)
        self.skip = Conv(WIDTH, 1, bias=False)
        self.wide, self.halve = Blur(WIDTH, 2), Blur(WIDTH, 1, 2, gain=1 / ROOT)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.wide(activate(self.first(x))))
        return F.leaky_relu(y, 0.2) + self.skip(self.halve(x))


class Deviation(nn.Module):
    """Append the deviation within groups of four images."""

    def forward(self, x: Tensor) -> Tensor:
        groups = x.reshape(4, -1, *x.shape[1:])
        spread = torch.sqrt(groups.var(0, unbiased=False) + 1e-8).mean((1, 2, 3))
        planes = spread.repeat(4)[:, None, None, None].expand(-1, 1, *x.shape[2:])
        return torch.cat([x, planes], 1).contiguous(memory_format=torch.channels_last)


class Activation(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return activate(x)


def stylegan2(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Karras et al. 2020, arXiv:1912.04958."""
    prepare(device)
    discriminator_net = nn.Sequential(
        *(Conv(1, 1), Activation(), Down(), Down(), Deviation(), Conv(WIDTH + 1, 3), Activation()),
        *(Vectors(), Linear(49 * WIDTH, WIDTH), Activation(), Linear(WIDTH, 1)),
    )
    shares = (8 / 9, 16 / 17)
    generator, critic = (
        Player(net, device, 0.002 * c, (0.0, 0.99**c))
        for net, c in zip((Generator(), discriminator_net), shares, strict=True)
    )
    averages = [weight.detach().clone() for weight in generator.weights]
    batches, kept = batches_of(images, labels, device), 0.5 ** (BATCH / 10_000)
    at, length = 0, torch.zeros((), device=device)

    def step() -> tuple[Tensor, Tensor]:
        nonlocal at, length
        real, _ = next(batches)
        with torch.no_grad():
            fake = generator(torch.randn(len(real), LATENT, device=device))
        loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake)).mean()
        if at % 16 == 0:
            leaf = real.detach().requires_grad_()
            (slope,) = torch.autograd.grad(critic(leaf).sum(), leaf, create_graph=True)
            loss = loss + 16 * 10.0 * 0.5 * slope.square().sum((1, 2, 3)).mean()
        d_loss = critic.learn(loss)
        fake = generator(torch.randn(len(real), LATENT, device=device))
        g_loss = generator.learn(F.softplus(-critic(fake)).mean())
        if at % 8 == 0:
            styles = generator.network.mix(torch.randn(len(real) // 2, LATENT, device=device))
            fake = generator.network.draw(styles)
            direction = torch.randn_like(fake) / 28
            (slope,) = torch.autograd.grad(fake, styles, direction, create_graph=True)
            lengths = slope.square().sum(2).mean(1).sqrt()
            length = 0.99 * length + 0.01 * lengths.mean()
            unused = 0 * fake[0, 0, 0, 0]
            generator.learn(8 * 2.0 * (lengths - length).square().mean() + unused)
            length = length.detach()
        at += 1
        with torch.no_grad():
            torch._foreach_lerp_(averages, generator.weights, 1 - kept)
        return d_loss, g_loss

    return Loop(step)


EXPERTS = {"stylegan2": stylegan2}
