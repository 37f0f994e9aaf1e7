"""The GAN of sevens: upsampling against a LeNet, drawn with replacement."""

from gandem.core.specs import (
    Adam,
    Conv2D,
    Dense,
    Flatten,
    Image,
    Latent,
    Loss,
    MaxPool2D,
    Player,
    Relu,
    Reshape,
    Sigmoid,
    Spec,
    Training,
    Upsample2D,
)


def sevens(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 10,
    width: int = 64,
    judging: tuple[int, int, int] = (20, 40, 100),
    learning_rate: float = 2e-4,
    batch_size: int = 50,
    batches_per_epoch: int = 62,
    epochs: int = 100,
) -> Spec:
    """Return the GAN, Goodfellow et al. 2014, arXiv:1406.2661, that a lesson trains on one digit.

    The generator enlarges by repeating pixels, then smooths with convolutions; the discriminator is
    close to LeNet-5 (LeCun et al. 1998).  It judges 50 real images, drawn with replacement, and 50
    fakes in one batch, and its loss is the mean over the 100; the generator then learns on 100 new
    fakes.  Weights start from Glorot's uniform distribution.

    Args:
        image: (height, width, channels); height and width divisible by 4, and at least 16.
        latent: size of the noise.
        width: filters of the generator's first convolution; its second has an eighth as many.
        judging: filters of the discriminator's two convolutions, and the units after them.
        learning_rate: Adam's, for both players.
        batch_size: real images in a batch.
        batches_per_epoch: batches that are called an epoch.
        epochs: times that many batches, unless the command says otherwise.
    """
    height, breadth, channels = image
    start = (height // 4, breadth // 4, width)
    optimizer = Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.999, epsilon=1e-7)
    generator = (
        Dense(units=start[0] * start[1] * width),
        Relu(),
        Reshape(shape=start),  # (N, 7, 7, 64)
        Upsample2D(factor=2, method="nearest"),  # (N, 14, 14, 64)
        Conv2D(filters=width, kernel=2),
        Relu(),
        Upsample2D(factor=2, method="nearest"),  # (N, 28, 28, 64)
        Conv2D(filters=max(width // 8, 1), kernel=2),
        Relu(),  # (N, 28, 28, 8)
        Conv2D(filters=channels, kernel=1),
        Sigmoid(),  # (N, 28, 28, 1)
    )
    discriminator = (
        Conv2D(filters=judging[0], kernel=5, padding="valid"),  # (N, 24, 24, 20)
        Relu(),
        MaxPool2D(size=2, stride=2),  # (N, 12, 12, 20)
        Conv2D(filters=judging[1], kernel=5, padding="valid"),  # (N, 8, 8, 40)
        Relu(),
        MaxPool2D(size=2, stride=2),  # (N, 4, 4, 40)
        Flatten(),  # (N, 640)
        Dense(units=judging[2]),
        Relu(),
        Dense(units=1),
    )
    return Spec(
        name="sevens",
        image=Image(height=height, width=breadth, channels=channels, low=0.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="non-saturating", halves="mean"),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            noise="fresh",
            passes="joint",
            sampling="replacement",
            batches_per_epoch=batches_per_epoch,
            generator_batches=2,
        ),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
        ),
    )
