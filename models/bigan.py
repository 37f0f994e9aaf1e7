"""BiGAN: an encoder finds the noise of real images, and the discriminator sees both together."""

from gandem.core.specs import (
    Adam,
    Add,
    BatchNorm,
    Dense,
    Exponential,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    Normal,
    Number,
    Player,
    Relu,
    Reshape,
    Sigmoid,
    Spec,
    Training,
)

LEARNING_RATE = Exponential(from_=2e-4, to=2e-6, start=200.0, end=400.0, unit="epochs")
"""That of the paper, which falls in the second half of the training."""


def bigan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 50,
    hidden: int = 1024,
    learning_rate: Number = LEARNING_RATE,
    weight_decay: float = 2.5e-5,
    batch_size: int = 128,
    epochs: int = 400,
) -> Spec:
    r"""Return the BiGAN of Donahue et al. 2017, arXiv:1605.09782, appendix C.1, of dense layers.

    The encoder E is a third network, from images to noise. The discriminator compares real images
    and their encodings, (x, E(x)), with fake images and their noise, (G(z), z). Both G and E try to
    make the pairs indistinguishable, so E becomes the inverse of G, and ``gandem generate
    --reconstruct`` shows G(E(x)) beside x. The encoder minimizes the generator's loss with real and
    fake exchanged, :math:`-\log(1 - D(x, E(x)))`.

    Args:
        image: (height, width, channels).
        latent: size of the noise, U(-1, 1).
        hidden: units of the two hidden layers of each network.
        learning_rate: of Adam, for all networks.
        weight_decay: of Adam, for all networks.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    small = Normal(std=0.02)

    def dense(units: int, *, bias: bool = False) -> Dense:
        return Dense(units=units, bias=bias, kernel_init=small)

    def norm() -> BatchNorm:
        return BatchNorm(epsilon=1e-5, decay=0.9, affine=False)

    first: tuple[Layer, ...] = (Flatten(), dense(hidden, bias=True), LeakyRelu(slope=0.2))
    generator = (
        *(dense(hidden), norm(), Relu()),  # (N, 50) to (N, 1024)
        *(dense(hidden), norm(), Relu()),
        dense(height * breadth * channels, bias=True),
        Sigmoid(),
        Reshape(shape=image),  # (N, 28, 28, 1)
    )
    encoder = (
        *first,  # (N, 1024)
        *(dense(hidden), norm(), LeakyRelu(slope=0.2)),
        dense(latent),  # batch norm of the discriminator removes a bias
    )
    discriminator = (
        *first,
        *(dense(hidden), Add(input="noise", layers=(dense(hidden),))),
        *(norm(), LeakyRelu(slope=0.2)),
        dense(1, bias=True),
    )
    optimizer = Adam(
        learning_rate=learning_rate,
        beta1=0.5,
        beta2=0.999,
        epsilon=1e-8,
        weight_decay=weight_decay,
    )
    return Spec(
        name="bigan",
        image=Image(height=height, width=breadth, channels=channels, low=0.0, high=1.0),
        latent=Latent(size=latent, distribution="uniform"),
        loss=Loss(name="non-saturating", halves="mean"),
        training=Training(batch_size=batch_size, epochs=epochs, noise="reused"),
        players=(
            Player(name="generator", input="noise", optimizer=optimizer, layers=generator),
            Player(name="discriminator", input="image", optimizer=optimizer, layers=discriminator),
            Player(name="encoder", input="image", optimizer=optimizer, layers=encoder),
        ),
    )
