"""Wasserstein GAN: the networks of the DCGAN, with a critic and clipped weights."""

from dataclasses import replace

from gandem.core.specs import Loss, Number, RMSprop, Spec, Training
from gandem.models.dcgan import dcgan


def wgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 5e-5,
    weight_clip: Number = 0.01,
    critic_steps: int = 5,
    batch_size: int = 64,
    epochs: int = 100,
) -> Spec:
    """Return the Wasserstein GAN of Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875.

    The networks are those of ``dcgan``. The discriminator is a critic: its scores have no boundary
    between real and fake, and the difference of its mean scores estimates the Wasserstein distance
    of the two distributions. Its weights are clipped after each update to bound its gradient, and
    it is updated five times per update of the generator. The optimizer is RMSprop, since momentum
    makes the training of a critic unstable.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of RMSprop, for both players.
        weight_clip: the largest absolute value of the critic's weights.
        critic_steps: updates of the critic per update of the generator.
        batch_size: images per batch; each update of the critic has a batch of its own.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width)
    optimizer = RMSprop(learning_rate=learning_rate, decay=0.99, epsilon=1e-8)
    return replace(
        plain,
        name="wgan",
        loss=Loss(name="wasserstein", halves="sum"),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            discriminator_steps=critic_steps,
            weight_clip=weight_clip,
            noise="fresh",
        ),
        players=tuple(replace(player, optimizer=optimizer) for player in plain.players),
    )
