"""DCGAN for CIFAR-10 with two learning rates, a weight average and mirrored images."""

from dataclasses import replace

from gandem.core.specs import Adam, Number, Spec, Training
from gandem.models.dcgan_cifar import dcgan_cifar


def ttur_cifar(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 100,
    widths: tuple[int, ...] = (64, 128, 256),
    learning_rate: Number = 4e-4,
    discriminator_learning_rate: Number = 2e-4,
    ema_decay: Number = 0.95,
    batch_size: int = 64,
    epochs: int = 100,
) -> Spec:
    """Return ``dcgan-cifar`` with three changes to its training; the networks are the same.

    1. Two learning rates (Heusel et al. 2017, arXiv:1706.08500). The generator has the higher one,
       since the discriminator wins on few images.
    2. Images are generated with a moving average of the generator's weights (Yazıcı et al. 2018,
       arXiv:1806.04498). It is short, since the statistics of batch norm are those of the last
       steps.
    3. Real images are mirrored at random, which doubles the data.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each of ``widths``.
        latent: size of the noise.
        widths: filters of the layers, starting next to the image.
        learning_rate: of Adam, for the generator.
        discriminator_learning_rate: of Adam, for the discriminator.
        ema_decay: decay of the average of the generator's weights per step.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    plain = dcgan_cifar(image=image, latent=latent, widths=widths)
    rates = {"generator": learning_rate, "discriminator": discriminator_learning_rate}
    return replace(
        plain,
        name="ttur-cifar",
        training=Training(
            batch_size=batch_size, epochs=epochs, noise="fresh", flip=True, ema_decay=ema_decay
        ),
        players=tuple(
            replace(
                player,
                optimizer=Adam(
                    learning_rate=rates[player.name], beta1=0.5, beta2=0.999, epsilon=1e-8
                ),
            )
            for player in plain.players
        ),
    )
