"""Hinge GAN: the generator of the DCGAN, a spectrally normalized discriminator."""

from dataclasses import replace

from gandem.core.specs import Adam, Conv2D, Dense, Flatten, LeakyRelu, Loss, Number, Spec, Training
from gandem.models.dcgan import dcgan


def hinge_gan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the SN-GAN of Miyato et al. 2018, arXiv:1802.05957, with the hinge loss.

    Each kernel of the discriminator is divided by its largest singular value, which bounds the
    Lipschitz constant of the network by 1. Batch norm would undo that and is left out. Adam has
    the β (0.5, 0.999) of the paper's setting with one update of the discriminator per step. The
    hinge loss is from Lim & Ye 2017, arXiv:1705.02894.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.999, epsilon=1e-8)
    discriminator = (
        Conv2D(filters=width, kernel=4, stride=2, spectral_norm=True),  # (N, 14, 14, 64)
        LeakyRelu(slope=0.1),
        Conv2D(filters=2 * width, kernel=4, stride=2, spectral_norm=True),  # (N, 7, 7, 128)
        LeakyRelu(slope=0.1),
        Flatten(),
        Dense(units=1, spectral_norm=True),
    )
    return replace(
        plain,
        name="hinge-gan",
        loss=Loss(name="hinge", halves="sum"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            replace(plain.player("generator"), optimizer=optimizer),
            replace(plain.player("discriminator"), optimizer=optimizer, layers=discriminator),
        ),
    )
