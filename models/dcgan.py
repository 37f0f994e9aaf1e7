"""DCGAN: strided convolutions, and batch norm in both players."""

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Image,
    Latent,
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


def dcgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the DCGAN of Radford, Metz & Chintala 2015, arXiv:1511.06434, at the size of MNIST.

    The discriminator's loss is the sum of its losses on real and fake images; the generator is
    updated on the fake images that the discriminator has just seen. The initial weights are
    N(0, 0.02²), as in the paper.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    start = (height // 4, breadth // 4, 2 * width)
    small = Normal(std=0.02)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.999, epsilon=1e-8)

    def norm() -> BatchNorm:
        return BatchNorm(epsilon=1e-5, decay=0.9)

    generator = (
        Dense(units=start[0] * start[1] * start[2], bias=False, kernel_init=small),
        norm(),
        Relu(),
        Reshape(shape=start),  # (N, 7, 7, 128)
        Conv2DTranspose(filters=width, kernel=4, stride=2, bias=False, kernel_init=small),
        norm(),  # (N, 14, 14, 64)
        Relu(),
        Conv2DTranspose(filters=channels, kernel=4, stride=2, kernel_init=small),
        Tanh(),  # (N, 28, 28, 1)
    )
    discriminator = (
        Conv2D(filters=width, kernel=4, stride=2, kernel_init=small),  # (N, 14, 14, 64)
        LeakyRelu(slope=0.2),
        Conv2D(filters=2 * width, kernel=4, stride=2, bias=False, kernel_init=small),
        norm(),  # (N, 7, 7, 128)
        LeakyRelu(slope=0.2),
        Flatten(),
        Dense(units=1, kernel_init=small),
    )
    return Spec(
        name="dcgan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="non-saturating", halves="sum"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="reused"),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
        ),
    )
