"""Conditional DCGAN: both players learn an embedding of the class."""

from dataclasses import replace

from gandem.core.specs import Concatenate, Embedding, Normal, Number, Reshape, Spec, Training
from gandem.models.dcgan import dcgan


def cdcgan(
    *,
    image: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    latent: int = 100,
    embedding: int = 50,
    width: int = 64,
    learning_rate: Number = 2e-4,
    batch_size: int = 64,
    epochs: int = 20,
) -> Spec:
    """Return the conditional GAN of Mirza & Osindero 2014, arXiv:1411.1784, with DCGAN networks.

    The players of ``cgan`` read the one-hot class; these learn an embedding of it. The generator
    concatenates a vector with the noise, the discriminator a plane with the channels of the image.

    Args:
        image: (height, width, channels); height and width divisible by 4.
        classes: number of classes.
        latent: size of the noise.
        embedding: size of the generator's vector of a class.
        width: filters of the layers next to the image; the inner layers have twice as many.
        learning_rate: of Adam, for both players.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, _ = image
    plain = dcgan(image=image, latent=latent, width=width, learning_rate=learning_rate)
    generator, discriminator = plain.players
    # small beside noise of std 1; as large as pixels from -1 to 1
    quiet, loud = Normal(std=0.2), Normal(std=1.0)
    vector = Concatenate(
        input="label", layers=(Embedding(units=embedding, table_init=quiet),)
    )  # (N, 150)
    plane = Concatenate(  # (N, 28, 28, 2)
        input="label",
        layers=(
            Embedding(units=height * breadth, table_init=loud),
            Reshape(shape=(height, breadth, 1)),
        ),
    )
    return replace(
        plain,
        name="cdcgan",
        classes=classes,
        training=Training(batch_size=batch_size, epochs=epochs, noise="fresh"),
        players=(
            replace(generator, layers=(vector, *generator.layers)),
            replace(discriminator, layers=(plane, *discriminator.layers)),
        ),
    )
