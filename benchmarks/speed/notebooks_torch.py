"""The lessons' GANs as notebooks write them in PyTorch: a Dataset of PIL images with transforms, a
DataLoader in this process, plain Adams, ``.item()`` at every step.

This code does not use gandem; gandem is measured against it.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

__all__ = ["NOTEBOOKS"]


class Loop:
    """Trains further steps; ``losses`` holds those of each step, the discriminator's first."""

    def __init__(self, step: Callable[[], tuple[float, float]]) -> None:
        self.step = step
        self.losses: list[tuple[float, float]] = []

    def __call__(self, steps: int) -> None:
        for _ in range(steps):
            self.losses.append(self.step())


class Digits(Dataset):
    """Images as torchvision's MNIST hands them out: one PIL image after the other."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, transform: Callable[[Image.Image], Tensor]
    ) -> None:
        self.data, self.targets = torch.from_numpy(images[..., 0]), torch.from_numpy(labels)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.data[at].numpy())
        return self.transform(image), int(self.targets[at])


UNIT = transforms.ToTensor()
SIGNED = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])


def forever(dataset: Dataset) -> Iterator[list[Tensor]]:
    """Yield batches, epoch after epoch, from a loader in this process, as notebooks have it."""
    loader = DataLoader(dataset, batch_size=64, shuffle=True)
    while True:
        yield from loader


def alternate(
    generator: nn.Module,
    discriminator: nn.Module,
    dataset: Dataset,
    rate: float,
    half: float = 1.0,
) -> Loop:
    """The loop of most PyTorch lessons: real, fake, the same fakes for the generator."""
    criterion = nn.BCELoss()
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=rate, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=rate, betas=(0.5, 0.999))
    batches = forever(dataset)

    def step() -> tuple[float, float]:
        real, _ = next(batches)
        real_labels, fake_labels = torch.ones(len(real), 1), torch.zeros(len(real), 1)

        d_optimizer.zero_grad()
        fake = generator(torch.randn(len(real), 100))
        real_loss = criterion(discriminator(real), real_labels)
        fake_loss = criterion(discriminator(fake.detach()), fake_labels)
        d_loss = (real_loss + fake_loss) * half
        d_loss.backward()
        d_optimizer.step()

        g_optimizer.zero_grad()
        g_loss = criterion(discriminator(fake), real_labels)
        g_loss.backward()
        g_optimizer.step()
        return d_loss.item(), g_loss.item()

    return Loop(step)


def small(module: nn.Module) -> None:
    """The weights that DCGAN notebooks start from."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)


def dcgan_generator(*, bias: bool = False) -> nn.Sequential:
    generator = nn.Sequential(
        nn.Linear(100, 128 * 7 * 7, bias=bias),
        nn.BatchNorm1d(128 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=bias),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Tanh(),
    )
    return generator.apply(small)


def dcgan_discriminator(*, bias: bool = False, sigmoid: bool = True) -> nn.Sequential:
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=bias),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
        *([nn.Sigmoid()] if sigmoid else []),
    )
    return discriminator.apply(small)


def dcgan(images: np.ndarray, labels: np.ndarray) -> Loop:
    """Lesson C. Typical, and slow: images one by one through PIL; the discriminator's weight
    gradients in the generator's phase; ``.item()`` each step.
    """
    generator, discriminator = dcgan_generator(), dcgan_discriminator()
    return alternate(generator, discriminator, Digits(images, labels, SIGNED), 2e-4)


def mlp_gan(images: np.ndarray, labels: np.ndarray) -> Loop:
    """Lesson E. Typical, and slow: the loader takes as long as these small networks."""
    results: list[nn.Module] = []
    for before, after in ((100, 128), (128, 256), (256, 512), (512, 1024)):
        normed = before > 100
        results.append(nn.Linear(before, after, bias=not normed))
        results += [nn.BatchNorm1d(after)] if normed else []
        results.append(nn.LeakyReLU(0.2))
    generator = nn.Sequential(
        *results, nn.Linear(1024, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
    )
    discriminator = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512),
        nn.LeakyReLU(0.2),
        nn.Linear(512, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
        nn.Sigmoid(),
    )
    return alternate(generator, discriminator, Digits(images, labels, SIGNED), 2e-4, half=0.5)


def dcgan_dropout(images: np.ndarray, labels: np.ndarray) -> Loop:
    """Lesson D. Typical, and slow: as lesson C; PyTorch's default layout of images."""
    generator = nn.Sequential(
        nn.Linear(100, 128 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (128, 7, 7)),
        nn.BatchNorm2d(128, eps=1e-3, momentum=0.01),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False),
        nn.BatchNorm2d(32, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 3, 1, 1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Conv2d(64, 128, 3, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Conv2d(128, 256, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(256 * 7 * 7, 1),
        nn.Sigmoid(),
    )
    return alternate(generator, discriminator, Digits(images, labels, SIGNED), 5e-4)


class Judge(nn.Module):
    """Lesson A's discriminator: the largest value of each map decides."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(11, 64, 3, 2, 1), nn.Conv2d(64, 128, 3, 2, 1)
        self.pool, self.last = nn.AdaptiveMaxPool2d(1), nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(x), 0.2)
        x = F.leaky_relu(self.second(x), 0.2)
        return self.last(self.pool(x).flatten(1))


def cgan(images: np.ndarray, labels: np.ndarray) -> Loop:
    """Lesson A. Typical, and slow: one-hot planes are laid out for real and fake alike, and the
    discriminator's fakes keep the generator's graph until they are detached.
    """
    generator = nn.Sequential(
        nn.Linear(138, 138 * 7 * 7),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (138, 7, 7)),
        nn.ConvTranspose2d(138, 128, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(128, 128, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 1, 7, padding=3),
        nn.Sigmoid(),
    )
    discriminator, criterion = Judge(), nn.BCEWithLogitsLoss()
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=3e-4)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-4)
    batches = forever(Digits(images, labels, UNIT))

    def step() -> tuple[float, float]:
        real, label = next(batches)
        one_hot = F.one_hot(label, 10).float()
        planes = one_hot[:, :, None, None].repeat(1, 1, 28, 28)
        real_labels, fake_labels = torch.ones(len(real), 1), torch.zeros(len(real), 1)

        d_optimizer.zero_grad()
        fake = generator(torch.cat([torch.randn(len(real), 128), one_hot], 1)).detach()
        both = torch.cat([torch.cat([fake, planes], 1), torch.cat([real, planes], 1)])
        d_loss = criterion(discriminator(both), torch.cat([fake_labels, real_labels]))
        d_loss.backward()
        d_optimizer.step()

        g_optimizer.zero_grad()
        fake = generator(torch.cat([torch.randn(len(real), 128), one_hot], 1))
        g_loss = criterion(discriminator(torch.cat([fake, planes], 1)), real_labels)
        g_loss.backward()
        g_optimizer.step()
        return d_loss.item(), g_loss.item()

    return Loop(step)


def upsample_gan(images: np.ndarray, labels: np.ndarray) -> Loop:
    """Lesson B. Typical, and slow: the discriminator's accuracy is read at each step too; no
    loader, for this lesson draws from one float array.
    """
    generator = nn.Sequential(
        nn.Linear(10, 64 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 64, 2, padding="same"),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(64, 8, 2, padding="same"),
        nn.ReLU(),
        nn.Conv2d(8, 1, 1),
        nn.Sigmoid(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 40, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(640, 100),
        nn.ReLU(),
        nn.Linear(100, 1),
        nn.Sigmoid(),
    )
    criterion = nn.BCELoss()
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    data = torch.tensor(images.transpose(0, 3, 1, 2) / 255.0, dtype=torch.float32)
    d_labels, g_labels = torch.cat([torch.ones(50, 1), torch.zeros(50, 1)]), torch.ones(100, 1)

    def step() -> tuple[float, float]:
        real = data[np.random.randint(0, len(data), 50)]
        fake = generator(torch.randn(50, 10)).detach()
        d_optimizer.zero_grad()
        judged = discriminator(torch.cat([real, fake]))
        d_loss = criterion(judged, d_labels)
        d_loss.backward()
        d_optimizer.step()
        ((judged > 0.5) == d_labels).float().mean().item()  # shown beside the losses

        g_optimizer.zero_grad()
        g_loss = criterion(discriminator(generator(torch.randn(100, 10))), g_labels)
        g_loss.backward()
        g_optimizer.step()
        return d_loss.item(), g_loss.item()

    return Loop(step)


def slope_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The penalty as it is copied from notebook to notebook."""
    alpha = torch.rand(len(real), 1, 1, 1)
    between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    scores = critic(between)
    gradients = torch.autograd.grad(
        outputs=scores,
        inputs=between,
        grad_outputs=torch.ones_like(scores),
        create_graph=True,
        retain_graph=True,
    )[0]
    return ((gradients.view(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()


def wgan_gp(images: np.ndarray, labels: np.ndarray) -> Loop:
    """WGAN-GP, five batches for the critic a step. Typical, and slow: the critic's fakes keep the
    generator's graph until they are detached, and each update reads its loss.
    """
    generator = dcgan_generator()
    critic = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.LayerNorm([128, 7, 7]),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
    ).apply(small)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=1e-4, betas=(0.0, 0.9))
    c_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-4, betas=(0.0, 0.9))
    batches = forever(Digits(images, labels, SIGNED))

    def step() -> tuple[float, float]:
        for _ in range(5):
            real, _ = next(batches)
            c_optimizer.zero_grad()
            fake = generator(torch.randn(len(real), 100)).detach()
            penalty = slope_penalty(critic, real, fake)
            c_loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
            c_loss.backward()
            c_optimizer.step()
            c_read = c_loss.item()

        g_optimizer.zero_grad()
        g_loss = -critic(generator(torch.randn(len(real), 100))).mean()
        g_loss.backward()
        g_optimizer.step()
        return c_read, g_loss.item()

    return Loop(step)


NOTEBOOKS = {
    "cgan": cgan,
    "dcgan": dcgan,
    "dcgan-dropout": dcgan_dropout,
    "mlp-gan": mlp_gan,
    "upsample-gan": upsample_gan,
    "wgan-gp": wgan_gp,
}
