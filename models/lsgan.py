"""Least squares GAN: the networks of the DCGAN with the least squares loss."""

from dataclasses import replace

from gandem.core.specs import Loss, Number, Spec, Training
from gandem.models.dcgan import dcgan


def lsgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the least squares GAN of Mao et al. 2016, arXiv:1611.04076.

    The networks and Adam are those of ``dcgan``. The discriminator regresses to 1 for real and to 0
    for fake images; the generator regresses to 1, so its gradient is large where the discriminator
    is certain.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width, learning_rate=learning_rate)
    return replace(
        plain,
        name="lsgan",
        loss=Loss(name="least-squares", halves="sum"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
    )
