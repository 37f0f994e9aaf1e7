"""A generator that upsamples and then convolves, which avoids checkerboard artifacts."""

from gandem.core.specs import (
    Adam,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Image,
    Latent,
    LeakyRelu,
    Loss,
    Number,
    Player,
    Relu,
    Reshape,
    Spec,
    Tanh,
    Training,
    Upsample2D,
)


def example(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 32,
    width: int = 16,
    learning_rate: Number = 1e-3,
    batch_size: int = 64,
    epochs: int = 10,
) -> Spec:
    """Return a small GAN with the resize-convolutions of Odena, Dumoulin & Olah 2016.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    start = (height // 4, breadth // 4, 2 * width)
    adam = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.99, epsilon=1e-8)
    generator = (
        Dense(units=start[0] * start[1] * start[2], bias=False),
        Reshape(shape=start),  # (N, 7, 7, 32)
        BatchNorm(),
        Relu(),
        Upsample2D(factor=2, method="bilinear"),  # (N, 14, 14, 32)
        Conv2D(filters=width, kernel=3, bias=False),
        BatchNorm(),
        Relu(),
        Upsample2D(factor=2, method="bilinear"),  # (N, 28, 28, 16)
        Conv2D(filters=channels, kernel=5),
        Tanh(),  # (N, 28, 28, 1)
    )
    discriminator = (
        Conv2D(filters=width, kernel=5, stride=2),  # (N, 14, 14, 16)
        LeakyRelu(slope=0.2),
        Conv2D(filters=2 * width, kernel=3),
        LeakyRelu(slope=0.2),
        AveragePool2D(size=2, stride=2),  # (N, 7, 7, 32)
        Flatten(),
        Dense(units=1),
    )
    return Spec(
        name="my-plugin/example",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="hinge"),
        training=Training(batch_size=batch_size, epochs=epochs),
        players=(
            Player(name="generator", input="noise", optimizer=adam, layers=generator),
            Player(name="discriminator", input="image", optimizer=adam, layers=discriminator),
        ),
    )
