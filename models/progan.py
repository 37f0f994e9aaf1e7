"""Progressive growing: layers of higher resolutions fade in during the training."""

import math
from typing import Any

from gandem.core.specs import (
    Adam,
    AveragePool2D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Head,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    MinibatchStddev,
    Normal,
    Number,
    PixelNorm,
    Player,
    Reshape,
    Spec,
    Stage,
    Training,
    Upsample2D,
)

ROOT = math.sqrt(2)
"""The gain of He et al. 2015, of layers before a leaky ReLU."""
BATCH_SIZES = {256: 14, 512: 6, 1024: 3}
"""The paper's batch sizes for large images, which a GPU of its time could hold."""


def progan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 512,
    width: int = 512,
    first: int = 4,
    images: int = 800_000,
    learning_rate: Number = 1e-3,
    batch_size: int = 16,
) -> Spec:
    """Return the progressive GAN of Karras et al. 2018, arXiv:1710.10196, table 2.

    The training begins with small images. In each later stage the resolution doubles, and a block
    of two convolutions fades into each network: pixel norm and nearest neighbor upsampling in the
    generator, average pooling in the discriminator, which reads the deviation of small groups of
    the batch. All weights have an equalized learning rate. The loss is that of WGAN-GP with a
    drift penalty; samples come from the weight average.

    Departures from the authors' program: optimizers start anew at the beginning of a fade-in, not
    also at its end; the weight average is updated after the generator, not before; images are
    averaged over blocks of pixels without rounding them to bytes; and convolutions are not fused
    with resampling, which rounds differently.

    Args:
        image: (height, width, channels); those of the paper have up to 1024×1024 pixels.
        latent: size of the noise.
        width: filters of the layers up to 32 pixels; each larger resolution has half as many.
        first: least height of the first stage; it is the image's, halved as often as possible.
        images: real images of the first stage, of each fade-in, and after it.
        learning_rate: of Adam, for both players.
        batch_size: images per batch, fewer from 256 pixels on.
    """
    height, breadth, channels = image
    sizes = [height]
    while sizes[0] % 2 == 0 and sizes[0] >= 2 * first:
        sizes.insert(0, sizes[0] // 2)
    smallest = sizes[0]
    filters = {size: max(min(width, 32 * width // size), 1) for size in sizes}
    optimizer = Adam(
        learning_rate=learning_rate,
        beta1=0.0,
        beta2=0.99,
        epsilon=1e-8,
        epsilon_placement="uncorrected",
    )
    generator: list[Layer] = [
        PixelNorm(),
        Reshape(shape=(1, 1, latent)),
        Conv2DTranspose(
            filters=width,
            kernel=(smallest, smallest * breadth // height),
            padding="valid",
            **_equalized(ROOT),
        ),
        *_end(),
    ]
    discriminator: list[Layer] = []
    for size in sizes:
        if size > smallest:
            generator += [Upsample2D(), *_convolve(filters[size])]
        generator += [*_convolve(filters[size]), _to_image(size, channels)]
    for size in reversed(sizes):
        discriminator += [_from_image(size, filters[size])]
        if size > smallest:
            below = filters[size // 2]
            discriminator += [*_read(filters[size]), *_read(below), AveragePool2D()]
    discriminator += [
        MinibatchStddev(),
        *_read(width),
        Flatten(),
        Dense(units=width, **_equalized(ROOT)),
        LeakyRelu(slope=0.2),
        Dense(units=1, **_equalized(1.0)),
    ]
    return Spec(
        name="progan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="wasserstein", halves="sum", gradient_penalty=10.0, drift=0.001),
        training=Training(
            batch_size=batch_size,
            noise="fresh",
            partial_batch="drop",
            ema_decay=0.999,
            stages=tuple(
                Stage(
                    resolution=size,
                    length=images if size == smallest else 2 * images,
                    fade_in=0 if size == smallest else images,
                    batch_size=min(batch_size, BATCH_SIZES[size]) if size in BATCH_SIZES else None,
                )
                for size in sizes
            ),
        ),
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


def _equalized(gain: float) -> dict[str, Any]:
    """Return the fields of a layer with an equalized learning rate."""
    return {"equalized_gain": gain, "kernel_init": Normal(mean=0.0, std=1.0)}


def _end() -> tuple[Layer, ...]:
    return (LeakyRelu(slope=0.2), PixelNorm())


def _convolve(filters: int) -> tuple[Layer, ...]:
    """Return a convolution of the generator."""
    return (Conv2D(filters=filters, kernel=3, **_equalized(ROOT)), *_end())


def _read(filters: int, kernel: int = 3) -> tuple[Layer, ...]:
    """Return a convolution of the discriminator."""
    return (Conv2D(filters=filters, kernel=kernel, **_equalized(ROOT)), LeakyRelu(slope=0.2))


def _to_image(size: int, channels: int) -> Head:
    layer = Conv2D(filters=channels, kernel=1, **_equalized(1.0))
    return Head(name=f"to_image_{size}", resolution=size, layers=(layer,))


def _from_image(size: int, filters: int) -> Head:
    return Head(name=f"from_image_{size}", resolution=size, layers=_read(filters, kernel=1))
