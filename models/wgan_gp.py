"""Wasserstein GAN with a gradient penalty instead of clipped weights."""

from dataclasses import replace

from gandem.core.specs import (
    Adam,
    Conv2D,
    Dense,
    Flatten,
    LayerNorm,
    LeakyRelu,
    Loss,
    Number,
    Spec,
    Training,
)
from gandem.models.dcgan import dcgan


def wgan_gp(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    learning_rate: Number = 1e-4,
    gradient_penalty: Number = 10.0,
    critic_steps: int = 5,
    batch_size: int = 64,
    epochs: int = 100,
) -> Spec:
    """Return the WGAN-GP of Gulrajani et al. 2017, arXiv:1704.00028.

    The generator is that of ``dcgan``. The critic has layer norm (Ba et al. 2016) instead of batch
    norm: the penalty is on the gradient at each image, which must not depend on the other images
    of the batch.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        gradient_penalty: weight of (‖gradient‖ - 1)².
        critic_steps: updates of the critic per update of the generator.
        batch_size: images per batch; each update of the critic has a batch of its own.
        epochs: passes over the data, by default.
    """
    plain = dcgan(image=image, latent=latent, width=width)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.0, beta2=0.9, epsilon=1e-8)
    critic = (
        Conv2D(filters=width, kernel=4, stride=2),  # (N, 14, 14, 64)
        LeakyRelu(slope=0.2),
        Conv2D(filters=2 * width, kernel=4, stride=2, bias=False),
        LayerNorm(over="all", epsilon=1e-5),  # (N, 7, 7, 128)
        LeakyRelu(slope=0.2),
        Flatten(),
        Dense(units=1),
    )
    return replace(
        plain,
        name="wgan-gp",
        loss=Loss(name="wasserstein", halves="sum", gradient_penalty=gradient_penalty),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            discriminator_steps=critic_steps,
            noise="fresh",
        ),
        players=(
            replace(plain.player("generator"), optimizer=optimizer),
            replace(plain.player("discriminator"), optimizer=optimizer, layers=critic),
        ),
    )
