"""Relativistic average GAN: the networks of the DCGAN, whose discriminator compares images."""

from dataclasses import replace

from gandem.core.specs import Dense, Loss, Normal, Number, Spec, Training
from gandem.models.dcgan import dcgan


def ragan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the RaSGAN of Jolicoeur-Martineau 2018, arXiv:1807.00734.

    The networks and Adam are those of ``dcgan``, without the last bias, which cancels. The
    discriminator estimates how much more realistic a real image is than the average fake one, and
    the generator also learns from real images: it makes them look less realistic. Other forms are
    ``--set loss.name=relativistic-average-hinge`` and ``relativistic-average-least-squares``.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width, learning_rate=learning_rate)
    generator, discriminator = plain.players
    last = Dense(units=1, bias=False, kernel_init=Normal(std=0.02))
    return replace(
        plain,
        name="ragan",
        loss=Loss(name="relativistic-average", halves="sum"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            generator,
            replace(discriminator, layers=(*discriminator.layers[:-1], last)),
        ),
    )
