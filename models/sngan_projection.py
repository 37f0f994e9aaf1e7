"""SN-GAN with classes: conditional batch norm, and a projection discriminator."""

from dataclasses import replace

from gandem.core.specs import Number, Spec
from gandem.models.resnet import down_blocks, features, images, label_norm, projection, up_block
from gandem.models.sngan import DECAY, sngan


def sngan_projection(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    latent: int = 128,
    width: int = 256,
    discriminator_width: int = 128,
    blocks: int = 3,
    learning_rate: Number = DECAY,
    discriminator_steps: int = 5,
    batch_size: int = 64,
    epochs: int = 320,
) -> Spec:
    """Return the projection GAN of Miyato & Koyama 2018, arXiv:1802.05637, for CIFAR-10.

    It is ``sngan`` with classes. In the blocks of the generator, scale and offset of batch norm
    depend on the class. The discriminator adds to its logit the inner product of its features and
    a vector that it learns for each class. The networks are those of the authors' program for
    CIFAR-10; the departures are those of ``sngan``.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each block.
        classes: number of classes.
        latent: size of the noise.
        width: filters of the generator.
        discriminator_width: filters of the discriminator.
        blocks: of the generator.
        learning_rate: of Adam, for both players.
        discriminator_steps: updates of the discriminator per update of the generator.
        batch_size: images per batch; each update of the discriminator has a batch of its own.
        epochs: passes over the data, by default.
    """
    plain = sngan(
        latent=latent,
        learning_rate=learning_rate,
        discriminator_steps=discriminator_steps,
        batch_size=batch_size,
        epochs=epochs,
        image=image,
        blocks=blocks,
    )
    up = [up_block(width, label_norm(width)) for _ in range(blocks)]
    down = down_blocks(discriminator_width, blocks - 1)
    generator, discriminator = plain.players
    return replace(
        plain,
        name="sngan-projection",
        classes=classes,
        players=(
            replace(generator, layers=images(image, up, width=width, halvings=blocks)),
            replace(discriminator, layers=(*features(down), *projection(discriminator_width))),
        ),
    )
