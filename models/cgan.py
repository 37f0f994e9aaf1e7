"""Conditional GAN: both players read the class."""

from typing import Literal

from gandem.core.specs import (
    Adam,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    GlobalMaxPool2D,
    Image,
    Latent,
    LeakyRelu,
    Loss,
    Number,
    Player,
    Reshape,
    Sigmoid,
    Spec,
    Training,
)


def cgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    latent: int = 128,
    generator_width: int = 128,
    discriminator_width: int = 64,
    learning_rate: Number = 3e-4,
    epsilon_placement: Literal["corrected", "uncorrected"] = "corrected",
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return a convolutional form of the conditional GAN of Mirza & Osindero 2014, arXiv:1411.1784.

    The generator reads the noise and the one-hot class; the discriminator reads the class as
    constant channels of the image. The discriminator's loss is the mean over real and fake images;
    the generator is updated on new noise with the same classes. The initial weights are Glorot
    uniform.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        classes: number of classes.
        latent: size of the noise.
        generator_width: filters of the generator's transposed convolutions.
        discriminator_width: filters of the discriminator's first convolution; the second has twice
            as many.
        learning_rate: of Adam, for both players.
        epsilon_placement: of Adam, for both players; the lesson has "uncorrected".
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    inner = latent + classes
    start = (height // 4, breadth // 4, inner)
    optimizer = Adam(
        learning_rate=learning_rate,
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-7,
        epsilon_placement=epsilon_placement,
    )
    generator = (
        Concatenate(input="label"),  # (N, 138)
        Dense(units=start[0] * start[1] * inner),
        LeakyRelu(slope=0.2),
        Reshape(shape=start),  # (N, 7, 7, 138)
        Conv2DTranspose(filters=generator_width, kernel=4, stride=2),
        LeakyRelu(slope=0.2),  # (N, 14, 14, 128)
        Conv2DTranspose(filters=generator_width, kernel=4, stride=2),
        LeakyRelu(slope=0.2),  # (N, 28, 28, 128)
        Conv2D(filters=channels, kernel=7),
        Sigmoid(),  # (N, 28, 28, 1)
    )
    discriminator = (
        Concatenate(input="label", planes=True),  # (N, 28, 28, 11)
        Conv2D(filters=discriminator_width, kernel=3, stride=2),
        LeakyRelu(slope=0.2),  # (N, 14, 14, 64)
        Conv2D(filters=2 * discriminator_width, kernel=3, stride=2),
        LeakyRelu(slope=0.2),  # (N, 7, 7, 128)
        GlobalMaxPool2D(),
        Dense(units=1),
    )
    return Spec(
        name="cgan",
        image=Image(height=height, width=breadth, channels=channels, low=0.0, high=1.0),
        latent=Latent(size=latent),
        classes=classes,
        loss=Loss(name="non-saturating", halves="mean"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
        ),
    )
