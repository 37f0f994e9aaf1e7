"""DCGAN for small color images, such as the automobiles of CIFAR-10."""

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    Normal,
    Number,
    Player,
    Relu,
    Reshape,
    Spec,
    Tanh,
    Training,
)


def dcgan_cifar(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 100,
    widths: tuple[int, ...] = (64, 128, 256),
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 100,
) -> Spec:
    """Return the DCGAN of Radford, Metz & Chintala 2015, arXiv:1511.06434, at the size of CIFAR-10.

    It is one convolution deeper than ``dcgan``. As in the paper, every layer halves or doubles the
    image, batch norm follows all layers but those next to the image, and the initial weights are
    N(0, 0.02²). The discriminator's loss is the sum of its losses on real and fake images; the
    generator is updated on new noise.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each of ``widths``.
        latent: size of the noise.
        widths: filters of the layers, starting next to the image.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    start = (height >> len(widths), breadth >> len(widths), widths[-1])
    small = Normal(std=0.02)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.999, epsilon=1e-8)

    def norm() -> BatchNorm:
        return BatchNorm(epsilon=1e-5, decay=0.9)

    generator: list[Layer] = [
        Dense(units=start[0] * start[1] * start[2], bias=False, kernel_init=small),
        norm(),
        Relu(),
        Reshape(shape=start),  # (N, 4, 4, 256)
    ]
    for width in reversed(widths[:-1]):  # (N, 8, 8, 128), (N, 16, 16, 64)
        generator.append(
            Conv2DTranspose(filters=width, kernel=4, stride=2, bias=False, kernel_init=small)
        )
        generator += [norm(), Relu()]
    generator.append(Conv2DTranspose(filters=channels, kernel=4, stride=2, kernel_init=small))
    generator.append(Tanh())  # (N, 32, 32, 3)
    discriminator: list[Layer] = []
    for place, width in enumerate(widths):  # (N, 16, 16, 64), (N, 8, 8, 128), (N, 4, 4, 256)
        normed = place > 0
        discriminator.append(
            Conv2D(filters=width, kernel=4, stride=2, bias=not normed, kernel_init=small)
        )
        discriminator += [norm()] if normed else []
        discriminator.append(LeakyRelu(slope=0.2))
    discriminator += [Flatten(), Dense(units=1, kernel_init=small)]
    return Spec(
        name="dcgan-cifar",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="non-saturating", halves="sum"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=tuple(generator)),
            Player(
                name="discriminator",
                input="image",
                optimizer=optimizer,
                layers=tuple(discriminator),
            ),
        ),
    )
