"""The residual GANs in plain PyTorch loops, as an expert writes them, at small widths.

This code does not use gandem; gandem is measured against it. It has what is usual for these models:
torch's own spectral norm and attention kernel, real and fake images in one pass of a discriminator
with spectral norm, R1 and R2 on the passes that give the logits, and fused Adam.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from experts_torch import Images, Loop, Player, prepare, resident, shuffled, tanh_range
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["EXPERTS"]

WIDTH = 32
"""Channels of every network."""
GROUPS = 4
"""Groups of the 3×3 convolutions of R3GAN."""
BATCH = 64
EPOCH_STEPS = 938
"""Batches of 64 in the 60,000 images of the measurement."""
CLASSES = 10

Wrap = Callable[[nn.Module], nn.Module]


def plain(module: nn.Module) -> nn.Module:
    """Return a module as it is."""
    return module


def batches_of(images: np.ndarray, labels: np.ndarray, device: str) -> Iterator[tuple]:
    """Yield real images from -1 to 1, and their labels."""
    data, classes = resident(images, device), torch.from_numpy(labels).to(device)
    for rows in shuffled(len(data), BATCH, device):
        yield tanh_range(data[rows]).contiguous(memory_format=torch.channels_last), classes[rows]


def decay_rate(players: tuple[Player, ...], step: int, last: int) -> None:
    """Set a learning rate that falls linearly from 2e-4 to 0."""
    for player in players:
        player.optimizer.param_groups[0]["lr"] = 2e-4 * max(0.0, 1 - step / last)


# --- the blocks of SN-GAN and SAGAN ---------------------------------------------------------------


class ClassNorm(nn.Module):
    """Batch norm whose scale and offset depend on the class."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(WIDTH, eps=2e-5, affine=False)
        self.scale, self.offset = (nn.Embedding(CLASSES, WIDTH) for _ in range(2))
        nn.init.zeros_(self.scale.weight)
        nn.init.zeros_(self.offset.weight)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        scale, offset = (table(label)[:, :, None, None] for table in (self.scale, self.offset))
        return torch.addcmul(offset, self.norm(x), 1 + scale)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that ignores the class."""

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return super().forward(x)


class Up(nn.Module):
    """A residual block that doubles the image."""

    def __init__(self, norm: Callable[[], nn.Module], wrap: Wrap) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(), norm()])
        self.first, self.second = (
            wrap(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False)) for _ in range(2)
        )
        self.shortcut = wrap(nn.Conv2d(WIDTH, WIDTH, 1, bias=False))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        y = F.relu_(self.norms[0](x, label))
        y = self.first(F.interpolate(y, scale_factor=2))
        y = self.second(F.relu_(self.norms[1](y, label)))
        return y + F.interpolate(self.shortcut(x), scale_factor=2)  # 1×1 before, a quarter the work


class Generator(nn.Module):
    """Two blocks from 7×7 to 28×28, with attention between them if asked for."""

    def __init__(self, norm: Callable[[], nn.Module], wrap: Wrap, attention: bool) -> None:
        super().__init__()
        self.start = nn.Sequential(wrap(nn.Linear(128, 7 * 7 * WIDTH)), Images(7, 7))
        self.blocks = nn.ModuleList([Up(norm, wrap), Up(norm, wrap)])
        self.attention = Attention() if attention else nn.Identity()
        self.norm = nn.BatchNorm2d(WIDTH, eps=2e-5)
        self.last = wrap(nn.Conv2d(WIDTH, 1, 3, 1, 1))

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        x = self.blocks[0](self.start(noise), label)
        x = self.blocks[1](self.attention(x), label)
        return torch.tanh(self.last(F.relu_(self.norm(x))))


class Attention(nn.Module):
    """Self-attention with spectral norm; keys and values are max-pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (
            spectral_norm(nn.Conv2d(inputs, outputs, 1, bias=False))
            for inputs, outputs in (
                *((WIDTH, WIDTH // 8), (WIDTH, WIDTH // 8)),
                *((WIDTH, WIDTH // 2), (WIDTH // 2, WIDTH)),
            )
        )
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = (F.max_pool2d(part(x), 2) for part in (self.key, self.value))
        query, key, value = (
            part.flatten(2).transpose(1, 2) for part in (self.query(x), *pooled)
        )  # (N, H·W, C)
        read = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.gamma * self.output(read.transpose(1, 2).unflatten(2, x.shape[2:]))


class Down(nn.Module):
    """A residual block of the discriminator; the first one halves the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.is_first = channels != WIDTH
        self.first = spectral_norm(nn.Conv2d(channels, WIDTH, 3, 1, 1))
        self.second = spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3, 1, 1))
        if self.is_first:
            self.shortcut = spectral_norm(nn.Conv2d(channels, WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu_(self.first(x if self.is_first else F.relu(x))))
        if not self.is_first:
            return y + x
        return F.avg_pool2d(y, 2) + self.shortcut(F.avg_pool2d(x, 2))


class Critic(nn.Module):
    """Three blocks, and a logit from the sum over pixels; with classes a projection."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.second, self.third = Down(1), Down(WIDTH), Down(WIDTH)
        self.attention = Attention() if classes else nn.Identity()
        self.last = spectral_norm(nn.Linear(WIDTH, 1, bias=False))
        self.table = spectral_norm(nn.Linear(classes, WIDTH, bias=False)) if classes else None

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        x = self.third(self.second(self.attention(self.first(x))))
        features = F.relu_(x).sum((2, 3))  # (N, 32)
        logits = self.last(features)
        if self.table is None:
            return logits
        embedded = self.table(F.one_hot(label, CLASSES).to(x.dtype))
        return logits + (features * embedded).sum(1, keepdim=True)


def hinge(logits: Tensor) -> Tensor:
    """Return the hinge loss of logits of real images, then as many fake ones."""
    real, fake = logits.chunk(2)
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def train_hinge(
    name: str, generator: Player, critic: Player, batches: Iterator[tuple], rounds: int, many: int
) -> Loop:
    """Train with the hinge loss: ``rounds`` updates of the critic, then one of the generator on
    ``many`` batches of noise.
    """
    at = 0

    def step() -> tuple[Tensor, Tensor]:
        nonlocal at
        if name == "sngan":
            decay_rate((generator, critic), at, 320 * EPOCH_STEPS // rounds)
        at += 1
        for _ in range(rounds):
            real, label = next(batches)
            with torch.no_grad():
                fake = generator.network(torch.randn(len(real), 128, device=real.device), label)
            logits = critic.network(torch.cat([real, fake]), label.repeat(2))
            d_loss = critic.learn(hinge(logits))
        label = label.repeat(many)
        fake = generator.network(torch.randn(len(label), 128, device=real.device), label)
        return d_loss, generator.learn(-critic.network(fake, label).mean())

    return Loop(step)


def sngan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Miyato et al. 2018, arXiv:1802.05957."""
    prepare(device)
    network = Generator(lambda: BatchNorm(WIDTH, eps=2e-5), plain, attention=False)
    generator = Player(network, device, 2e-4, (0.0, 0.9))
    critic = Player(Critic(0), device, 2e-4, (0.0, 0.9))
    return train_hinge("sngan", generator, critic, batches_of(images, labels, device), 5, 2)


def sagan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Zhang et al. 2018, arXiv:1805.08318."""
    prepare(device)
    network = Generator(ClassNorm, spectral_norm, attention=True)
    generator = Player(network, device, 1e-4, (0.0, 0.9))
    critic = Player(Critic(CLASSES), device, 4e-4, (0.0, 0.9))
    return train_hinge("sagan", generator, critic, batches_of(images, labels, device), 1, 1)


# --- R3GAN ----------------------------------------------------------------------------------------


class Block(nn.Module):
    """An inverted bottleneck with a grouped convolution and no normalization."""

    def __init__(self) -> None:
        super().__init__()
        inner = 2 * WIDTH
        self.first = nn.Conv2d(WIDTH, inner, 1)
        self.grouped = nn.Conv2d(inner, inner, 3, 1, 1, groups=GROUPS)
        self.last = nn.Conv2d(inner, WIDTH, 1, bias=False)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu_(self.first(x), 0.2)
        return x + self.last(F.leaky_relu_(self.grouped(y), 0.2))


class Resample(nn.Module):
    """Halve or double an image with the filter 1, 3, 3, 1."""

    def __init__(self, up: bool) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / (4 if up else 8)
        self.up = up
        self.register_buffer("filter", torch.outer(taps, taps).repeat(WIDTH, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        resample = F.conv_transpose2d if self.up else F.conv2d
        return resample(x, self.filter, stride=2, padding=1, groups=WIDTH)


class Basis(nn.Module):
    """A learned 7×7 image whose channels the noise scales."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(1, WIDTH, 7, 7))
        self.dense = nn.Linear(64, WIDTH, bias=False)

    def forward(self, noise: Tensor) -> Tensor:
        scaled = self.value * self.dense(noise)[:, :, None, None]
        return scaled.contiguous(memory_format=torch.channels_last)


def augment(x: Tensor, probability: float) -> Tensor:
    """Return images with random colors, mirrored and shifted, and with a part cut out: each with a
    probability, as in DiffAugment.
    """
    count, _, height, width = x.shape

    def draw(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, device=x.device) * (high - low) + low

    def choose(changed: Tensor, x: Tensor) -> Tensor:
        return torch.where(draw(0, 1) < probability, changed, x)

    y = x + draw(-0.5, 0.5)
    gray = y.mean(1, keepdim=True)
    y = (y - gray) * draw(0.5, 1.5) + gray
    mean = y.mean((1, 2, 3), keepdim=True)
    x = choose((y - mean) * draw(0.5, 1.5) + mean, x)
    reach = int(0.125 * height + 0.5)
    rows, columns = (
        torch.arange(size, device=x.device) + torch.randint(-reach, reach + 1, (count, 1))
        for size in (height, width)
    )  # (N, H), (N, W)
    mirrored = torch.rand(count, 1, device=x.device) < 0.5
    columns = torch.where(mirrored, width - 1 - columns, columns)
    padded = F.pad(x, (reach, reach, reach, reach)).permute(0, 2, 3, 1)
    index = torch.arange(count, device=x.device)[:, None, None]
    moved = padded[index, rows[:, :, None] + reach, columns[:, None] + reach].permute(0, 3, 1, 2)
    x = choose(moved, x)
    inside = [
        (torch.arange(size, device=x.device) - torch.randint(0, size + 1, (count, 1))).abs()
        < size // 4
        for size in (height, width)
    ]
    return choose(x * ~(inside[0][:, None, :, None] & inside[1][:, None, None]), x)


def cosine(start: float, stop: float, step: int) -> float:
    """Return the value of a cosine schedule over 400 epochs."""
    share = min(1.0, step / (400 * EPOCH_STEPS))
    return stop + (start - stop) * 0.5 * (1 + math.cos(math.pi * share))


def r3gan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Huang et al. 2024, arXiv:2501.05441."""
    prepare(device)
    up = (layer for _ in range(2) for layer in (Resample(up=True), Block()))
    down = (layer for _ in range(2) for layer in (Resample(up=False), Block()))
    generator_net = nn.Sequential(Basis(), Block(), *up, nn.Conv2d(WIDTH, 1, 1, bias=False))
    critic_net = nn.Sequential(
        *(nn.Conv2d(1, WIDTH, 1, bias=False), Block(), *down),
        nn.Conv2d(WIDTH, WIDTH, 7, groups=WIDTH, bias=False),
        *(nn.Flatten(), nn.Linear(WIDTH, 1, bias=False)),
    )
    generator, critic = (
        Player(net, device, 2e-4, (0.0, 0.9)) for net in (generator_net, critic_net)
    )
    averages = [weight.detach().clone() for weight in generator.weights]
    batches = batches_of(images, labels, device)
    at = 0

    def step() -> tuple[Tensor, Tensor]:
        nonlocal at
        rate, beta2, weight = (
            cosine(*ends, at) for ends in ((2e-4, 5e-5), (0.9, 0.99), (0.05, 0.005))
        )
        probability, half_life = cosine(0.0, 0.55, at), cosine(0.0, 5e6, at)
        at += 1
        for player in (generator, critic):
            player.optimizer.param_groups[0] |= {"lr": rate, "betas": (0.0, beta2)}
        real, _ = next(batches)
        with torch.no_grad():
            fake = generator(torch.randn(len(real), 64, device=device))
        seen = [augment(x, probability).detach().requires_grad_() for x in (real, fake)]
        logits = [critic(x) for x in seen]
        slopes = torch.autograd.grad([each.sum() for each in logits], seen, create_graph=True)
        penalty = sum(0.5 * slope.square().sum((1, 2, 3)).mean() for slope in slopes)
        d_loss = critic.learn(F.softplus(logits[1] - logits[0]).mean() + weight * penalty)
        fake = generator(torch.randn(len(real), 64, device=device))
        with torch.no_grad():
            goal = critic(augment(real, probability))
        loss = F.softplus(goal - critic(augment(fake, probability))).mean()
        g_loss = generator.learn(loss)
        kept = 0.5 ** (BATCH / half_life) if half_life else 0.0
        with torch.no_grad():
            torch._foreach_lerp_(averages, generator.weights, 1 - kept)
        return d_loss, g_loss

    return Loop(step)


EXPERTS = {"sngan": sngan, "sagan": sagan, "r3gan": r3gan}
