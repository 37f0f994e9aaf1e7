"""DCGAN with dropout in the discriminator and batch norm in the generator only."""

from typing import Literal

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    Number,
    Player,
    Relu,
    Reshape,
    Spec,
    Tanh,
    Training,
)


def dcgan_dropout(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 32,
    discriminator_width: int = 64,
    dropout: float = 0.3,
    learning_rate: Number = 5e-4,
    epsilon_placement: Literal["corrected", "uncorrected"] = "corrected",
    running_variance: Literal["unbiased", "biased"] = "unbiased",
    batch_size: int = 64,
    epochs: int = 50,
) -> Spec:
    """Return a DCGAN (Radford, Metz & Chintala 2015, arXiv:1511.06434) with dropout.

    Dropout (Srivastava et al. 2014) keeps the discriminator from relying on a few pixels. Its loss
    is the sum of its losses on real and fake images; the generator is updated on the noise that
    the discriminator has just seen. Batch norm has the epsilon and the decay of Keras; the initial
    weights are Glorot uniform. The lesson calls both networks in inference mode, which disables
    dropout; here they run in training mode.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the generator's last but one layer, doubled in each layer before.
        discriminator_width: filters of the discriminator's first layer, doubled in each layer
            after.
        dropout: rate after each convolution of the discriminator.
        learning_rate: of Adam, for both players.
        epsilon_placement: of Adam, for both players; the lesson has "uncorrected".
        running_variance: of batch norm; the lesson has "biased".
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    start = (height // 4, breadth // 4, 4 * width)
    optimizer = Adam(
        learning_rate=learning_rate,
        beta1=0.5,
        beta2=0.999,
        epsilon=1e-7,
        epsilon_placement=epsilon_placement,
    )

    def norm() -> BatchNorm:
        return BatchNorm(epsilon=1e-3, decay=0.99, running_variance=running_variance)

    def judge(filters: int, stride: int) -> tuple[Layer, ...]:
        convolution = Conv2D(filters=filters, kernel=3, stride=stride)
        return (convolution, LeakyRelu(slope=0.2), Dropout(rate=dropout))

    generator = (
        Dense(units=start[0] * start[1] * start[2]),
        Relu(),
        Reshape(shape=start),  # (N, 7, 7, 128)
        norm(),
        Conv2DTranspose(filters=2 * width, kernel=4, stride=2, bias=False),
        norm(),  # (N, 14, 14, 64)
        Relu(),
        Conv2DTranspose(filters=width, kernel=4, stride=2, bias=False),
        norm(),  # (N, 28, 28, 32)
        Relu(),
        Conv2DTranspose(filters=channels, kernel=3),
        Tanh(),  # (N, 28, 28, 1)
    )
    discriminator = (
        *judge(discriminator_width, stride=2),  # (N, 14, 14, 64)
        *judge(2 * discriminator_width, stride=2),  # (N, 7, 7, 128)
        *judge(4 * discriminator_width, stride=1),  # (N, 7, 7, 256)
        Flatten(),
        Dense(units=1),
    )
    return Spec(
        name="dcgan-dropout",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="non-saturating", halves="sum"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="reused"),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
        ),
    )
