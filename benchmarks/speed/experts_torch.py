"""The lessons' GANs in the fastest plain loop that PyTorch allows in float32, written by hand.

This code does not use gandem; gandem is measured against it.

Slower alternatives, in milliseconds of CPU time per step on one thread: PyTorch's default layout of
images (upsample-gan 179 against 144, cgan 796 against 756, dcgan 150 against 145); Adam for each
tensor, plain or foreach (mlp-gan 35 and 33 against 29); nn.Dropout (12 against 4 for one large
layer, forward and backward); real and fake in one pass, pixels kept as floats (no difference); for
wgan-gp a convolution with its own backward pass and layer norm by hand (1109 and 1203 against
1026). Keeping freed memory saves time: dcgan 145 against 173, and 8,000 page faults less per step.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EXPERTS"]

EVERY = 100
"""Steps from one reading of the losses to the next."""


class Loop:
    """Trains so many further steps; ``losses`` holds what was read, discriminator's first."""

    def __init__(self, step: Callable[[], tuple[Tensor, Tensor]]) -> None:
        self.step = step
        self.losses: list[list[float]] = []

    def __call__(self, steps: int) -> None:
        for at in range(1, steps + 1):
            result = self.step()
            if at % EVERY == 0 or at == steps:
                self.losses.append(torch.stack(result).tolist())


class Player:
    """A network with its weights and its optimizer."""

    def __init__(
        self,
        network: nn.Module,
        device: str,
        rate: float,
        betas: tuple[float, float],
        epsilon: float = 1e-8,
    ) -> None:
        self.network = network.to(device=device, memory_format=torch.channels_last).train()
        self.weights = list(network.parameters())
        self.optimizer = torch.optim.Adam(
            self.weights, lr=rate, betas=betas, eps=epsilon, fused=True
        )

    def __call__(self, x: Tensor) -> Tensor:
        return self.network(x)

    def learn(self, loss: Tensor) -> Tensor:
        """Update these weights and compute no other gradients; return the loss."""
        self.optimizer.zero_grad()
        loss.backward(inputs=self.weights)
        self.optimizer.step()
        return loss.detach()


class Images(nn.Module):
    """Vectors as images in the channels-last format: a view."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), self.height, self.width, -1).permute(0, 3, 1, 2)


class Vectors(nn.Module):
    """Channels-last images as vectors: a view."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Dropout(nn.Module):
    """Dropout of 77 units in 256, by random bytes, eight at a draw."""

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:  # there one kernel does it all
            return F.dropout(x, 77 / 256)
        count, channels, height, width = x.shape
        drawn = torch.empty(x.numel() // 8, dtype=torch.int64).random_(-(2**63), None)
        keep = drawn.view(torch.uint8) >= 77
        scale = keep.view(count, height, width, channels).to(x.dtype).mul_(256 / 179)
        return x * scale.permute(0, 3, 1, 2)


class LayerNorm(nn.LayerNorm):
    """Layer norm over all features of channels-last images."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def prepare(device: str) -> None:
    """Keep float32 whole on a GPU, and freed memory on a CPU."""
    if device != "cpu":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    elif sys.platform == "linux":  # glibc hands large blocks back, and page faults fetch them again
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def resident(images: np.ndarray, device: str) -> Tensor:
    """Return images as uint8 on the device, (N, 1, 28, 28)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).to(device)


def shuffled(count: int, size: int, device: str) -> Iterator[Tensor]:
    """Yield the rows of batches, epoch after epoch, the last of each as it comes."""
    while True:
        yield from torch.randperm(count, device=device).split(size)


def tanh_range(pixels: Tensor) -> Tensor:
    """Return bytes as numbers from -1 to 1."""
    return pixels.float().mul_(2 / 255).sub_(1)


def on_real(logits: Tensor) -> Tensor:
    """Return the mean of -log sigmoid."""
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def on_fake(logits: Tensor) -> Tensor:
    """Return the mean of -log(1 - sigmoid)."""
    return F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))


def glorot(network: nn.Module) -> nn.Module:
    """Start kernels from Glorot's uniform distribution, biases from 0."""
    for name, weight in network.named_parameters():
        if weight.ndim in (2, 4):  # not those of layer norm
            nn.init.xavier_uniform_(weight)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)
    return network


def small(network: nn.Module) -> nn.Module:
    """Start kernels from N(0, 0.02²), biases from 0."""
    glorot(network)
    for weight in network.parameters():
        if weight.ndim in (2, 4):
            nn.init.normal_(weight, std=0.02)
    return network


def alternate(
    generator: Player, discriminator: Player, images: np.ndarray, device: str, half: float = 1.0
) -> Loop:
    """Two passes of the discriminator, then the generator on the same fakes."""
    data = resident(images, device)
    batches = shuffled(len(data), 64, device)

    def step() -> tuple[Tensor, Tensor]:
        real = tanh_range(data[next(batches)])
        fake = generator(torch.randn(len(real), 100, device=device))
        d_loss = on_real(discriminator(real)) + on_fake(discriminator(fake.detach()))
        d_loss = discriminator.learn(d_loss * half)
        return d_loss, generator.learn(on_real(discriminator(fake)))

    return Loop(step)


def dcgan_generator() -> nn.Module:
    return small(
        nn.Sequential(
            nn.Linear(100, 7 * 7 * 128, bias=False),
            nn.BatchNorm1d(7 * 7 * 128),
            nn.ReLU(inplace=True),
            Images(7, 7),  # (N, 128, 7, 7)
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(64, 1, 4, 2, 1),
            nn.Tanh(),
        )
    )


def dcgan_discriminator(norm: nn.Module) -> nn.Module:
    return small(
        nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            norm,  # (N, 128, 7, 7)
            nn.LeakyReLU(0.2, inplace=True),
            Vectors(),
            nn.Linear(7 * 7 * 128, 1),
        )
    )


def dcgan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson C."""
    prepare(device)
    generator = Player(dcgan_generator(), device, 2e-4, (0.5, 0.999))
    discriminator = dcgan_discriminator(nn.BatchNorm2d(128))
    return alternate(generator, Player(discriminator, device, 2e-4, (0.5, 0.999)), images, device)


def mlp_gan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson E."""
    prepare(device)
    results: list[nn.Module] = [nn.Linear(100, 128), nn.LeakyReLU(0.2, inplace=True)]
    for before, after in ((128, 256), (256, 512), (512, 1024)):
        results += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after)]
        results.append(nn.LeakyReLU(0.2, inplace=True))
    generator = nn.Sequential(*results, nn.Linear(1024, 784), nn.Tanh())  # (N, 784)
    discriminator = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Linear(256, 1),
    )
    players = (Player(glorot(n), device, 2e-4, (0.5, 0.999)) for n in (generator, discriminator))
    return alternate(*players, images, device, half=0.5)


def dcgan_dropout(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson D."""
    prepare(device)
    generator = nn.Sequential(
        nn.Linear(100, 7 * 7 * 128),
        nn.ReLU(inplace=True),
        Images(7, 7),  # (N, 128, 7, 7)
        nn.BatchNorm2d(128, eps=1e-3, momentum=0.01),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64, eps=1e-3, momentum=0.01),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False),
        nn.BatchNorm2d(32, eps=1e-3, momentum=0.01),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(32, 1, 3, 1, 1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(1, 64, 3, 2),  # (N, 64, 14, 14)
        nn.LeakyReLU(0.2, inplace=True),
        Dropout(),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(64, 128, 3, 2),  # (N, 128, 7, 7)
        nn.LeakyReLU(0.2, inplace=True),
        Dropout(),
        nn.Conv2d(128, 256, 3, 1, 1),
        nn.LeakyReLU(0.2, inplace=True),
        Dropout(),
        Vectors(),
        nn.Linear(7 * 7 * 256, 1),
    )
    players = (
        Player(glorot(n), device, 5e-4, (0.5, 0.999), 1e-7) for n in (generator, discriminator)
    )
    return alternate(*players, images, device)


def cgan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson A: both players are told the class; fresh noise for the generator."""
    prepare(device)
    network = nn.Sequential(
        nn.Linear(138, 7 * 7 * 138),
        nn.LeakyReLU(0.2, inplace=True),
        Images(7, 7),  # (N, 138, 7, 7)
        nn.ConvTranspose2d(138, 128, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.ConvTranspose2d(128, 128, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(128, 1, 7, 1, 3),
        nn.Sigmoid(),
    )
    discriminator = nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(11, 64, 3, 2),  # (N, 64, 14, 14)
        nn.LeakyReLU(0.2, inplace=True),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(64, 128, 3, 2),  # (N, 128, 7, 7)
        nn.LeakyReLU(0.2, inplace=True),
    )
    discriminator = nn.Sequential(*discriminator, Maximum(), nn.Linear(128, 1))
    generator, discriminator = (
        Player(glorot(n), device, 3e-4, (0.9, 0.999), 1e-7) for n in (network, discriminator)
    )
    data, classes = resident(images, device), torch.eye(10, device=device)
    indices = torch.from_numpy(labels).to(device)
    batches = shuffled(len(data), 64, device)

    def classify(image: Tensor, planes: Tensor) -> Tensor:
        both = torch.cat([image, planes], 1)  # (N, 11, 28, 28)
        return discriminator(both.contiguous(memory_format=torch.channels_last))

    def step() -> tuple[Tensor, Tensor]:
        rows = next(batches)
        real, label = data[rows].float().mul_(1 / 255), classes[indices[rows]]
        planes = label[:, :, None, None].expand(-1, -1, 28, 28)
        noise = torch.randn(2, len(rows), 128, device=device)
        with torch.no_grad():
            fake = generator(torch.cat([noise[0], label], 1))
        loss = on_real(classify(real, planes)) + on_fake(classify(fake, planes))
        d_loss = discriminator.learn(loss * 0.5)
        fake = generator(torch.cat([noise[1], label], 1))
        return d_loss, generator.learn(on_real(classify(fake, planes)))

    return Loop(step)


class Maximum(nn.Module):
    """The largest value of each channel; its gradient is shared among ties."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((2, 3))


def upsample_gan(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Lesson B: 50 real and 50 fake in one batch, then the generator on 100 new fakes."""
    prepare(device)
    network = nn.Sequential(
        nn.Linear(10, 7 * 7 * 64),
        nn.ReLU(inplace=True),
        Images(7, 7),  # (N, 64, 7, 7)
        nn.Upsample(scale_factor=2),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(64, 64, 2),  # (N, 64, 14, 14)
        nn.ReLU(inplace=True),
        nn.Upsample(scale_factor=2),
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(64, 8, 2),  # (N, 8, 28, 28)
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 1, 1),
        nn.Sigmoid(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 20, 5),  # (N, 20, 24, 24)
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 40, 5),  # (N, 40, 8, 8)
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        Vectors(),
        nn.Linear(640, 100),
        nn.ReLU(inplace=True),
        nn.Linear(100, 1),
    )
    generator, discriminator = (
        Player(glorot(n), device, 2e-4, (0.5, 0.999), 1e-7) for n in (network, discriminator)
    )
    data = resident(images, device)
    target = torch.cat([torch.ones(50, 1), torch.zeros(50, 1)]).to(device)

    def step() -> tuple[Tensor, Tensor]:
        real = data[torch.randint(len(data), (50,), device=device)].float().mul_(1 / 255)
        with torch.no_grad():
            fake = generator(torch.randn(50, 10, device=device))
        logits = discriminator(torch.cat([real, fake]))
        d_loss = discriminator.learn(F.binary_cross_entropy_with_logits(logits, target))
        fake = generator(torch.randn(100, 10, device=device))
        return d_loss, generator.learn(on_real(discriminator(fake)))

    return Loop(step)


def wgan_gp(images: np.ndarray, labels: np.ndarray, device: str = "cpu") -> Loop:
    """Five updates of the critic, each on a batch of its own, then one of the generator."""
    prepare(device)
    generator = Player(dcgan_generator(), device, 1e-4, (0.0, 0.9))
    discriminator = dcgan_discriminator(LayerNorm((7, 7, 128)))
    critic = Player(discriminator, device, 1e-4, (0.0, 0.9))
    data = resident(images, device)
    batches = shuffled(len(data), 64, device)

    def update() -> tuple[Tensor, int]:
        real = tanh_range(data[next(batches)])
        with torch.no_grad():
            fake = generator(torch.randn(len(real), 100, device=device))
            between = torch.lerp(fake, real, torch.rand(len(real), 1, 1, 1, device=device))
        between.requires_grad_()
        slope = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[0]
        norms = slope.square().sum((1, 2, 3)).add(1e-12).sqrt()
        penalty = 10 * (norms - 1).square().mean()
        loss = critic.learn(critic(fake).mean() - critic(real).mean() + penalty)
        return loss, len(real)

    def step() -> tuple[Tensor, Tensor]:
        for _ in range(5):
            loss, count = update()
        fake = generator(torch.randn(count, 100, device=device))
        return loss, generator.learn(-critic(fake).mean())

    return Loop(step)


EXPERTS = {
    "cgan": cgan,
    "dcgan": dcgan,
    "dcgan-dropout": dcgan_dropout,
    "mlp-gan": mlp_gan,
    "upsample-gan": upsample_gan,
    "wgan-gp": wgan_gp,
}
