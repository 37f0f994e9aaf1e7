"""Self-attention GAN: each pixel reads all others, with spectral norm in both players."""

from dataclasses import replace

from gandem.core.specs import Adam, Number, SelfAttention, Spec, Training
from gandem.models.resnet import down_blocks, features, images, label_norm, projection, up_block
from gandem.models.sngan_projection import sngan_projection


def sagan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    latent: int = 128,
    width: int = 256,
    discriminator_width: int = 128,
    blocks: int = 3,
    learning_rate: Number = 1e-4,
    discriminator_learning_rate: Number = 4e-4,
    batch_size: int = 64,
    epochs: int = 320,
) -> Spec:
    """Return the SAGAN of Zhang et al. 2018, arXiv:1805.08318, at the size of CIFAR-10.

    It is ``sngan-projection`` with attention in both players, where the image is half as large,
    and with spectral norm in the generator too. The discriminator learns four times as fast as the
    generator, so one update per step suffices (Heusel et al. 2017, arXiv:1706.08500).

    Departures from the paper, which has images of 128×128 pixels: three blocks instead of five,
    batches of 64 instead of 256, and attention at 16×16 instead of 32×32. As in the authors'
    program keys and values are max-pooled, and values have half the channels.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each block.
        classes: number of classes.
        latent: size of the noise.
        width: filters of the generator, divisible by 8.
        discriminator_width: filters of the discriminator, divisible by 8.
        blocks: of the generator.
        learning_rate: of Adam, for the generator.
        discriminator_learning_rate: of Adam, for the discriminator.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = sngan_projection(image=image, classes=classes, latent=latent, blocks=blocks)
    attention = SelfAttention(reduction=8, value_reduction=2, pool=True, spectral_norm=True)
    up = [up_block(width, label_norm(width), spectral_norm=True) for _ in range(blocks)]
    down = down_blocks(discriminator_width, blocks - 1)
    generator = images(
        image, [*up[:-1], attention, up[-1]], width=width, halvings=blocks, spectral_norm=True
    )
    discriminator = (
        *features([down[0], attention, *down[1:]]),
        *projection(discriminator_width),
    )

    def adam(rate: Number) -> Adam:
        return Adam(learning_rate=rate, beta1=0.0, beta2=0.9, epsilon=1e-8)

    players = plain.players
    return replace(
        plain,
        name="sagan",
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            replace(players[0], optimizer=adam(learning_rate), layers=generator),
            replace(players[1], optimizer=adam(discriminator_learning_rate), layers=discriminator),
        ),
    )
