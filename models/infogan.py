"""InfoGAN: a part of the noise is a code, which a third network predicts from the images."""

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
    Number,
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
    learning_rate: Number = 1e-3,
    discriminator_learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the InfoGAN of Chen et al. 2016, arXiv:1606.03657, appendix C.1, at half its width.

    Without labels, the images are sorted by the category, and each number of the code changes one
    property of an image continuously.

    In the paper the recognizer is two layers on the body of the discriminator. Here it is a
    network of its own with such a body, since a player owns its weights. This costs a second body,
    and the recognizer does not use what the discriminator has learned about real images.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        latent: size of the noise, including the code; the rest is U(-1, 1).
        categories: of the categorical code; 0 for none.
        codes: continuous codes, U(-1, 1) each; 0 for none.
        width: filters of the layers next to the image, 64 in the paper; all others follow.
        learning_rate: of Adam, for the generator.
        discriminator_learning_rate: of Adam, for the discriminator and the recognizer.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    start = (height // 4, breadth // 4, 2 * width)

    def adam(rate: Number) -> Adam:
        return Adam(learning_rate=rate, beta1=0.5, beta2=0.999, epsilon=1e-8)

    def norm() -> BatchNorm:
        return BatchNorm(epsilon=1e-5, decay=0.9)

    body: tuple[Layer, ...] = (
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
        *body,
        Dense(units=2 * width, bias=False),  # (N, 64)
        norm(),
        LeakyRelu(slope=0.1),
        Dense(units=categories + codes),  # logits of the category, then a mean for each code
    )
    slow = adam(discriminator_learning_rate)
    return Spec(
        name="infogan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent, distribution="uniform", categories=categories, codes=codes),
        loss=Loss(name="infogan"),
        training=Training(batch_size=batch_size, epochs=epochs),
        players=(
            Player(
                name="generator", input="noise", optimizer=adam(learning_rate), layers=generator
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=slow,
                layers=(*body, Dense(units=1)),
            ),
            Player(name="recognizer", input="image", optimizer=slow, layers=recognizer),
        ),
    )
