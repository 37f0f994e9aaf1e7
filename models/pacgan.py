"""PacGAN: the DCGAN, whose discriminator sees several images at once."""

from dataclasses import replace

from gandem.core.specs import Number, Spec
from gandem.models.dcgan import dcgan


def pacgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    pac: int = 2,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the PacDCGAN of Lin et al. 2018, arXiv:1712.04086.

    It is ``dcgan``, but the discriminator sees ``pac`` images of one kind at once, as the channels
    of one image. A generator that makes too few kinds of images is then easily detected: its
    images are too similar to each other. Only the first kernel of the discriminator is larger.

    Departure: the networks are those of ``dcgan``, for images of the size of MNIST.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        pac: images that the discriminator sees at once; it divides ``batch_size``.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width, learning_rate=learning_rate)
    training = replace(
        plain.training, batch_size=batch_size, epochs=epochs, partial_batch="drop", pac=pac
    )
    return replace(plain, name="pacgan", training=training)
