"""GAN of points in the plane, for mixtures of separate modes."""

from dataclasses import replace

from gandem.core.specs import (
    Adam,
    Dense,
    Layer,
    LeakyRelu,
    Loss,
    Normal,
    Number,
    Spec,
    Tanh,
    Training,
)
from gandem.models.mlp_gan import mlp_gan


def point_gan(
    *,
    image: tuple[int, int, int] | int = 2,
    latent: int = 2,
    sharpness: float = 50.0,
    hidden: tuple[int, ...] = (256, 128, 128),
    discriminator_hidden: tuple[int, ...] = (128, 128, 128),
    learning_rate: Number = 5e-4,
    discriminator_learning_rate: Number = 1e-3,
    r1: float = 0.03,
    ema_decay: Number = 0.999,
    batch_size: int = 256,
    epochs: int = 400,
) -> Spec:
    """Return a GAN of dense layers with the R1 penalty of Mescheder et al. 2018, arXiv:1801.04406.

    A smooth generator connects separate modes by bridges of points. The first layer of this one
    has large initial weights and is followed by tanh. It divides the noise into cells with narrow
    borders, so few points lie between two modes. The first biases of the discriminator are as
    large as the coordinates, so that its kinks are spread over the plane. The penalty is small,
    since it limits how narrow the modes can be that the discriminator sees. Points are generated
    with a moving average of the generator's weights (Yazıcı et al. 2018, arXiv:1806.04498).

    Args:
        image: number of coordinates; or (height, width, channels), for images.
        latent: size of the noise.
        sharpness: standard deviation of the generator's first weights and biases.
        hidden: units of the hidden layers of the generator.
        discriminator_hidden: units of the hidden layers of the discriminator.
        learning_rate: of Adam, for the generator.
        discriminator_learning_rate: of Adam, for the discriminator.
        r1: weight of the R1 penalty.
        ema_decay: decay of the average of the generator's weights per step.
        batch_size: points per batch.
        epochs: passes over the data, by default.
    """
    plain = mlp_gan(
        image=image, latent=latent, hidden=(), discriminator_hidden=discriminator_hidden
    )
    output, discriminator = (list(player.layers) for player in plain.players)
    steep = Normal(std=sharpness)
    generator: list[Layer] = []
    for place, units in enumerate(hidden):
        if place == 0:
            generator += [Dense(units=units, kernel_init=steep, bias_init=steep), Tanh()]
        else:
            generator += [Dense(units=units), LeakyRelu(slope=0.2)]
    first = next(i for i, layer in enumerate(discriminator) if isinstance(layer, Dense))
    discriminator[first] = replace(
        discriminator[first], kernel_init=Normal(std=1.0), bias_init=Normal(std=4.0)
    )
    layers = {"generator": (*generator, *output), "discriminator": tuple(discriminator)}
    rates = {"generator": learning_rate, "discriminator": discriminator_learning_rate}
    return replace(
        plain,
        name="point-gan",
        loss=Loss(name="non-saturating", halves="sum", r1=r1),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            noise="fresh",
            partial_batch="drop",
            ema_decay=ema_decay,
        ),
        players=tuple(
            replace(
                player,
                layers=layers[player.name],
                optimizer=Adam(
                    learning_rate=rates[player.name], beta1=0.5, beta2=0.99, epsilon=1e-8
                ),
            )
            for player in plain.players
        ),
    )
