"""The fully connected GAN, the simplest of the models."""

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Dense,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    Number,
    Player,
    Points,
    Reshape,
    Spec,
    Tanh,
    Training,
)


def mlp_gan(
    *,
    image: tuple[int, int, int] | int = (28, 28, 1),
    latent: int = 100,
    hidden: tuple[int, ...] = (128, 256, 512, 1024),
    discriminator_hidden: tuple[int, ...] = (512, 256),
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return a GAN of dense layers, after Goodfellow et al. 2014, arXiv:1406.2661.

    Batch norm follows every hidden layer of the generator but the first (Ioffe & Szegedy 2015).
    The discriminator's loss is the mean of its losses on real and fake images; the generator is
    updated on the fake images that the discriminator has just seen. The initial weights are Glorot
    uniform.

    Args:
        image: (height, width, channels); for points instead of images, the number of coordinates.
            A generator of points ends in a dense layer, without tanh.
        latent: size of the noise.
        hidden: units of the hidden layers of the generator.
        discriminator_hidden: units of the hidden layers of the discriminator.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    if isinstance(image, int):
        spec_image: Image | Points = Points(size=image)
        output: list[Layer] = [Dense(units=image)]
        discriminator: list[Layer] = []
    else:
        height, width, channels = image
        spec_image = Image(height=height, width=width, channels=channels, low=-1.0, high=1.0)
        output = [Dense(units=height * width * channels), Tanh(), Reshape(shape=image)]
        discriminator = [Flatten()]  # (N, 784)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.999, epsilon=1e-8)
    generator: list[Layer] = []
    for place, units in enumerate(hidden):
        normed = place > 0
        generator.append(Dense(units=units, bias=not normed))  # (N, 128) … (N, 1024)
        if normed:
            generator.append(BatchNorm(epsilon=1e-5, decay=0.9))
        generator.append(LeakyRelu(slope=0.2))
    generator += output
    for units in discriminator_hidden:
        discriminator += [Dense(units=units), LeakyRelu(slope=0.2)]
    discriminator.append(Dense(units=1))
    return Spec(
        name="mlp-gan",
        image=spec_image,
        latent=Latent(size=latent),
        loss=Loss(name="non-saturating", halves="mean"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="reused"),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=tuple(generator)),
            Player(
                name="discriminator",
                input="image",
                optimizer=optimizer,
                layers=tuple(discriminator),
            ),
        ),
    )
