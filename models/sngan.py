"""SN-GAN: residual networks, and spectral norm in the discriminator."""

from gandem.core.specs import (
    Adam,
    Dense,
    Image,
    Latent,
    Linear,
    Loss,
    Number,
    Player,
    Spec,
    Training,
)
from gandem.models.resnet import batch_norm, down_blocks, features, images, up_block

DECAY = Linear(from_=2e-4, to=0.0, end=320.0, unit="epochs")
"""The learning rate of the authors' program: 50,000 steps of 5 × 64 of the 50,000 images."""


def sngan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 128,
    width: int = 256,
    discriminator_width: int = 128,
    blocks: int = 3,
    learning_rate: Number = DECAY,
    discriminator_steps: int = 5,
    batch_size: int = 64,
    epochs: int = 320,
) -> Spec:
    """Return the residual SN-GAN of Miyato et al. 2018, arXiv:1802.05957, table 4, for CIFAR-10.

    Each block of the generator doubles the image. The discriminator halves it one time less often
    and ends in two blocks that keep the size; each of its kernels is divided by its largest
    singular value. Both minimize the hinge loss. The generator learns from twice as many images
    as the discriminator, and the learning rate falls linearly to 0.

    Departures from the authors' program: in a step the discriminator is updated before the
    generator, not after it; the convolutions before batch norm have no bias, whose gradient is 0;
    and the first kernel of the discriminator starts at another scale, which spectral norm removes.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each block.
        latent: size of the noise.
        width: filters of the generator.
        discriminator_width: filters of the discriminator.
        blocks: of the generator.
        learning_rate: of Adam, for both players.
        discriminator_steps: updates of the discriminator per update of the generator.
        batch_size: images per batch; each update of the discriminator has a batch of its own.
        epochs: passes over the data, by default.
    """
    up = [up_block(width, batch_norm()) for _ in range(blocks)]
    down = down_blocks(discriminator_width, blocks - 1)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.0, beta2=0.9, epsilon=1e-8)
    height, breadth, channels = image
    return Spec(
        name="sngan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="hinge", halves="sum"),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            discriminator_steps=discriminator_steps,
            noise="fresh",
            generator_batches=2,
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=optimizer,
                layers=images(image, up, width=width, halvings=blocks),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=optimizer,
                layers=(*features(down), Dense(units=1, bias=False, spectral_norm=True)),
            ),
        ),
    )
