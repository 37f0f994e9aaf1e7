"""GAN with an upsampling generator and a LeNet discriminator, for images of one class."""

from typing import Literal

from gandem.core.specs import (
    Adam,
    Conv2D,
    Dense,
    Flatten,
    Image,
    Latent,
    Loss,
    MaxPool2D,
    Number,
    Player,
    Relu,
    Reshape,
    Sigmoid,
    Spec,
    Training,
    Upsample2D,
)


def upsample_gan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 10,
    width: int = 64,
    discriminator_widths: tuple[int, int, int] = (20, 40, 100),
    learning_rate: Number = 2e-4,
    epsilon_placement: Literal["corrected", "uncorrected"] = "corrected",
    batch_size: int = 50,
    batches_per_epoch: int = 62,
    epochs: int = 100,
) -> Spec:
    """Return a GAN (Goodfellow et al. 2014, arXiv:1406.2661) for images of a single class.

    The generator upsamples by repeating pixels, then convolves; the discriminator is close to
    LeNet-5 (LeCun et al. 1998). One batch of the discriminator holds 50 real images, drawn with
    replacement, and 50 fake ones, and its loss is the mean over all 100; the generator is then
    updated on 100 new fake images. The initial weights are Glorot uniform.

    Args:
        image: (height, width, channels); height and width divisible by 4, and at least 16.
        latent: size of the noise.
        width: filters of the generator's first convolution; the second has an eighth as many.
        discriminator_widths: filters of the discriminator's two convolutions, and units of its
            dense layer.
        learning_rate: of Adam, for both players.
        epsilon_placement: of Adam, for both players; the lesson has "uncorrected".
        batch_size: real images per batch.
        batches_per_epoch: batches per epoch, since images are drawn with replacement.
        epochs: number of epochs, by default.
    """
    image_height, image_width, channels = image
    start = (image_height // 4, image_width // 4, width)
    optimizer = Adam(
        learning_rate=learning_rate,
        beta1=0.5,
        beta2=0.999,
        epsilon=1e-7,
        epsilon_placement=epsilon_placement,
    )
    generator = (
        Dense(units=start[0] * start[1] * width),
        Relu(),
        Reshape(shape=start),  # (N, 7, 7, 64)
        Upsample2D(factor=2, method="nearest"),  # (N, 14, 14, 64)
        Conv2D(filters=width, kernel=2),
        Relu(),
        Upsample2D(factor=2, method="nearest"),  # (N, 28, 28, 64)
        Conv2D(filters=max(width // 8, 1), kernel=2),
        Relu(),  # (N, 28, 28, 8)
        Conv2D(filters=channels, kernel=1),
        Sigmoid(),  # (N, 28, 28, 1)
    )
    discriminator = (
        Conv2D(filters=discriminator_widths[0], kernel=5, padding="valid"),  # (N, 24, 24, 20)
        Relu(),
        MaxPool2D(size=2, stride=2),  # (N, 12, 12, 20)
        Conv2D(filters=discriminator_widths[1], kernel=5, padding="valid"),  # (N, 8, 8, 40)
        Relu(),
        MaxPool2D(size=2, stride=2),  # (N, 4, 4, 40)
        Flatten(),  # (N, 640)
        Dense(units=discriminator_widths[2]),
        Relu(),
        Dense(units=1),
    )
    return Spec(
        name="upsample-gan",
        image=Image(height=image_height, width=image_width, channels=channels, low=0.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="non-saturating", halves="mean"),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            noise="fresh",
            passes="joint",
            sampling="replacement",
            batches_per_epoch=batches_per_epoch,
            generator_batches=2,
        ),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
        ),
    )
