"""LeCam GAN: the projection GAN with a regularization for few images."""

from dataclasses import replace

from gandem.core.specs import Number, Spec
from gandem.models.sngan import DECAY
from gandem.models.sngan_projection import sngan_projection


def lecam_gan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    latent: int = 128,
    width: int = 256,
    discriminator_width: int = 128,
    blocks: int = 3,
    lecam: Number = 0.3,
    learning_rate: Number = DECAY,
    discriminator_steps: int = 5,
    batch_size: int = 64,
    epochs: int = 320,
) -> Spec:
    """Return a GAN with the LeCam regularization of Tseng et al. 2021, arXiv:2104.03310.

    The discriminator keeps its logits of real images near the average of its logits of fake ones,
    and vice versa, so it cannot memorize a small data set. Real images are mirrored at random.

    Departures from the authors' program: the networks are those of ``sngan-projection`` instead of
    BigGAN's; and all distances count as in equation 5 of the paper, in the program those of one
    sign only.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each block.
        classes: number of classes.
        latent: size of the noise.
        width: filters of the generator.
        discriminator_width: filters of the discriminator.
        blocks: of the generator.
        lecam: weight of the regularization.
        learning_rate: of Adam, for both players.
        discriminator_steps: updates of the discriminator per update of the generator.
        batch_size: images per batch; each update of the discriminator has a batch of its own.
        epochs: passes over the data, by default.
    """
    plain = sngan_projection(
        image=image,
        classes=classes,
        latent=latent,
        width=width,
        discriminator_width=discriminator_width,
        blocks=blocks,
        learning_rate=learning_rate,
        discriminator_steps=discriminator_steps,
        batch_size=batch_size,
        epochs=epochs,
    )
    return replace(
        plain,
        name="lecam-gan",
        loss=replace(plain.loss, lecam=lecam),
        training=replace(plain.training, flip=True),
    )
