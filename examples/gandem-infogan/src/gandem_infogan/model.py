"""InfoGAN: a part of the noise is a code, and a third network reads it back out of the images."""

from gandem.core.specs import (
    Adam,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    Player,
    Relu,
    Reshape,
    Spec,
    Tanh,
    Training,
)


def infogan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    latent: int = 74,
    categories: int = 10,
    codes: int = 2,
    width: int = 32,
    generator_rate: float = 1e-3,
    discriminator_rate: float = 2e-4,
    recognizer_rate: float = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the InfoGAN of Chen et al. 2016, arXiv:1606.03657, appendix C.1, at half its width.

    In the paper the recognizer is two more layers on the discriminator's body.  Here it is a
    network of its own with the same body, for in gandem a player owns its parameters, and what
    trains one leaves the others alone.  It costs a second body; the recognizer cannot lean on what
    the discriminator has seen of real images, and the discriminator learns nothing from it.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise, the code included; the rest is U(-1, 1).
        categories: of the categorical code; 0 for none.
        codes: continuous codes, U(-1, 1) each; 0 for none.
        width: filters of the layers next to the image, 64 in the paper; all others follow.
        generator_rate: learning rate of the generator's Adam.
        discriminator_rate: likewise.
        recognizer_rate: likewise.
        batch_size: images in a batch.
        epochs: passes over the data, unless the command says otherwise.
    """
    height, breadth, channels = image
    start = (height // 4, breadth // 4, 2 * width)

    def adam(learning_rate: float) -> Adam:
        return Adam(learning_rate=learning_rate, beta1=0.5, beta2=0.999, epsilon=1e-8)

    def norm() -> BatchNorm:
        return BatchNorm(epsilon=1e-5, decay=0.9)

    def body() -> tuple[Layer, ...]:
        return (
            Conv2D(filters=width, kernel=4, stride=2),  # (N, 14, 14, 32)
            LeakyRelu(slope=0.1),
            Conv2D(filters=2 * width, kernel=4, stride=2, bias=False),  # (N, 7, 7, 64)
            norm(),
            LeakyRelu(slope=0.1),
            Flatten(),
            Dense(units=16 * width, bias=False),  # (N, 512)
            norm(),
            LeakyRelu(slope=0.1),
        )

    generator = (
        Dense(units=16 * width, bias=False),  # (N, 74) to (N, 512)
        norm(),
        Relu(),
        Dense(units=start[0] * start[1] * start[2], bias=False),
        norm(),
        Relu(),
        Reshape(shape=start),  # (N, 7, 7, 64)
        Conv2DTranspose(filters=width, kernel=4, stride=2, bias=False),
        norm(),  # (N, 14, 14, 32)
        Relu(),
        Conv2DTranspose(filters=channels, kernel=4, stride=2),
        Tanh(),  # (N, 28, 28, 1)
    )
    recognizer = (
        *body(),
        Dense(units=2 * width, bias=False),  # (N, 64)
        norm(),
        LeakyRelu(slope=0.1),
        Dense(units=categories + codes),  # logits of the category, then a mean for each code
    )
    return Spec(
        name="example/infogan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent, distribution="uniform", categories=categories, codes=codes),
        loss=Loss(name="example/infogan"),
        training=Training(batch_size=batch_size, epochs=epochs),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=adam(generator_rate),
                layers=generator,
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=adam(discriminator_rate),
                layers=(*body(), Dense(units=1)),
            ),
            Player(
                name="recognizer",
                input="image",
                optimizer=adam(recognizer_rate),
                layers=recognizer,
            ),
        ),
    )
