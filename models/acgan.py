"""Auxiliary classifier GAN: the discriminator predicts the class instead of reading it."""

from dataclasses import replace

from gandem.core.specs import (
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LeakyRelu,
    Loss,
    Normal,
    Number,
    Spec,
    Training,
)
from gandem.models.dcgan import dcgan


def acgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    latent: int = 100,
    width: int = 64,
    dropout: float = 0.3,
    class_weight: Number = 1.0,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the AC-GAN of Odena, Olah & Shlens 2017, arXiv:1610.09585, at the size of MNIST.

    The generator is that of ``dcgan`` and also reads the one-hot class. The discriminator ends in
    one logit for real or fake and one logit per class. Both players also minimize the
    cross-entropy of the classes, so the generator must make images of a recognizable class.
    The dropout rate is lower than in the paper, since digits are easier than ImageNet.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        classes: number of classes.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        dropout: rate after each convolution of the discriminator.
        class_weight: weight of the cross-entropy of the classes in both losses.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width, learning_rate=learning_rate)
    generator, discriminator = plain.players
    small = Normal(std=0.02)
    layers = (
        Conv2D(filters=width, kernel=4, stride=2, kernel_init=small),  # (N, 14, 14, 64)
        LeakyRelu(slope=0.2),
        Dropout(rate=dropout),
        Conv2D(filters=2 * width, kernel=4, stride=2, kernel_init=small),  # (N, 7, 7, 128)
        LeakyRelu(slope=0.2),
        Dropout(rate=dropout),
        Flatten(),
        Dense(units=1 + classes, kernel_init=small),  # (N, 11)
    )
    return replace(
        plain,
        name="acgan",
        classes=classes,
        loss=Loss(name="non-saturating", halves="sum", class_weight=class_weight),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            replace(generator, layers=(Concatenate(input="label"), *generator.layers)),
            replace(discriminator, layers=layers),
        ),
    )
