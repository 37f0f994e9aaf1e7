"""Wasserstein GAN: the networks of the DCGAN, a critic in place of the discriminator."""

from dataclasses import replace

from gandem.core.specs import Loss, RMSprop, Spec, Training
from gandem.models.dcgan import dcgan


def wgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: float = 5e-5,
    weight_clip: float = 0.01,
    critic_steps: int = 5,
    batch_size: int = 64,
    epochs: int = 100,
) -> Spec:
    """Return the Wasserstein GAN of Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875.

    The networks are those of ``dcgan``.  The discriminator is a critic: its score has no boundary
    between real and fake, and the difference of its mean scores estimates the distance between the
    distributions.  Its weights are cut off after each update, so that it cannot grow steep, and it
    learns five times for each time of the generator.  RMSprop, for momentum upsets a critic.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner ones have twice as many.
        learning_rate: RMSprop's, for both players.
        weight_clip: no weight of the critic is larger.
        critic_steps: updates of the critic for one of the generator.
        batch_size: images in a batch; each update of the critic has its own.
        epochs: passes over the data, unless the command says otherwise.
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
