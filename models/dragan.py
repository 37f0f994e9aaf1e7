"""DRAGAN: the generator of the DCGAN, and a gradient penalty near real images."""

from dataclasses import replace

from gandem.core.specs import Adam, Loss, Number, Spec, Training
from gandem.models.wgan_gp import wgan_gp


def dragan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 1e-4,
    gradient_penalty: Number = 10.0,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the DRAGAN of Kodali et al. 2017, arXiv:1705.07215.

    The discriminator learns to tell real from fake images, with a penalty on the norm of its
    gradient at points near real images. It has no sharp steps there, to which the generator would
    be drawn, and so fewer modes are lost. Loss, penalty and Adam are those of the authors' program.

    Departure: the paper leaves the networks open. These are the generator of ``dcgan`` and the
    critic of ``wgan-gp``, whose layer norm keeps the gradient at an image independent of the other
    images of the batch.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        gradient_penalty: weight of (‖gradient‖ - 1)².
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = wgan_gp(image=image, latent=latent, width=width)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.9, epsilon=1e-8)
    return replace(
        plain,
        name="dragan",
        loss=Loss(
            name="non-saturating",
            halves="sum",
            gradient_penalty=gradient_penalty,
            gradient_penalty_points="near-real",
        ),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=tuple(replace(player, optimizer=optimizer) for player in plain.players),
    )
