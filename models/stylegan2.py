"""StyleGAN2: a mapping network, convolutions modulated by styles, and two lazy regularizations."""

import itertools
import math
from dataclasses import replace
from typing import Any

from gandem.core.errors import SpecError
from gandem.core.specs import (
    Adam,
    Add,
    Bias,
    Constant,
    Conv2D,
    Dense,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    MinibatchStddev,
    ModulatedConv2D,
    ModulatedConv2DTranspose,
    Normal,
    Number,
    Ones,
    PathLength,
    PixelNoise,
    PixelNorm,
    Player,
    Resample2D,
    Residual,
    Slice,
    Spec,
    Styles,
    Training,
)

GAIN = math.sqrt(2.0)
ACTIVATION = LeakyRelu(slope=0.2, gain=GAIN)
FILTER = (1.0, 3.0, 3.0, 1.0)
UNIT = Normal(std=1.0)
GENERATOR_SHARE, DISCRIMINATOR_SHARE = 8 / 9, 16 / 17
"""c = k / (k + 1), for a penalty in every k-th step: the factor of the learning rate, and the
exponent of β2 (appendix B of the paper).
"""


def stylegan2(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 512,
    width: int = 512,
    capacity: int = 32_768,
    mapping_layers: int = 8,
    mapping_rate: float = 0.01,
    mixing: float = 0.9,
    learning_rate: Number = 0.002 * GENERATOR_SHARE,
    discriminator_learning_rate: Number = 0.002 * DISCRIMINATOR_SHARE,
    r1: Number = 10.0,
    r1_interval: int = 16,
    path_length: Number = 2.0,
    path_interval: int = 8,
    path_shrink: int = 2,
    ema_half_life: Number = 10_000.0,
    flip: bool = False,
    batch_size: int = 32,
    epochs: int = 100,
) -> Spec:
    r"""Return the StyleGAN2 of Karras et al. 2020, arXiv:1912.04958: its configuration F.

    A mapping network turns noise into styles w. The generator starts from a learned image of 4×4
    pixels; each of its convolutions scales its channels by a style and divides by the norm of the
    scaled kernel. The image is the sum of an image from each resolution, upsampled. The
    discriminator is residual, with minibatch standard deviation. The loss is the non-saturating
    one. Each 16th step adds R1, each 8th makes an update on path lengths. With probability 0.9 an
    image has two styles, one in its coarse and one in its fine layers.

    The learning rates and β2 of Adam are those of the paper's appendix B for penalties in every
    k-th step: 0.002·c and 0.99 to the power of c, with c = k/(k + 1), k = 16 in the discriminator
    and 8 in the generator.

    Departures from the authors' program: R1 is part of the discriminator's update in each 16th
    step, where theirs is another update of Adam on other images. Noise on pixels is 0 in inference.
    Each image has its own chance of two styles; theirs have one for each batch.

    A width of 32 with a capacity of 512 trains on a CPU.

    Args:
        image: (height, width, channels); halving height and width leads to a size from 4 to 7, as
            with powers of two.
        latent: size of the noise, and of the styles.
        width: the largest number of channels.
        capacity: a resolution of r pixels has capacity/r channels, or ``width`` if that is less.
        mapping_layers: dense layers of the mapping network.
        mapping_rate: their multiplier of the learning rate.
        mixing: probability of two styles.
        learning_rate: of Adam, for the generator.
        discriminator_learning_rate: of Adam, for the discriminator.
        r1: γ, the weight of R1.
        r1_interval: steps between two penalties R1.
        path_length: the weight of path length regularization.
        path_interval: steps between two such updates.
        path_shrink: how much smaller their batches are.
        ema_half_life: of the average of the generator's weights, in images.
        flip: mirror half of the real images.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    sizes = _find_sizes(height, breadth)
    widths = [max(1, min(width, capacity >> (level + 2))) for level in range(len(sizes))]
    return Spec(
        name="stylegan2",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(
            name="non-saturating",
            halves="sum",
            r1=r1,
            penalty_interval=r1_interval,
            path_length=PathLength(
                weight=path_length,
                layer="styles",
                interval=path_interval,
                decay=0.99,
                shrink=path_shrink,
            ),
        ),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            noise="fresh",
            ema_half_life=ema_half_life,
            flip=flip,
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=_adam(learning_rate, GENERATOR_SHARE),
                layers=(
                    _styles(latent, len(sizes), mapping_layers, mapping_rate, mixing),
                    *_synthesis(sizes, widths, channels, latent),
                ),
                outputs=("styles",),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=_adam(discriminator_learning_rate, DISCRIMINATOR_SHARE),
                layers=_discriminator(widths),
            ),
        ),
    )


def _find_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the sizes of the images inside the networks, from one below 8 pixels on.

    >>> _find_sizes(32, 32), _find_sizes(28, 56)
    ([(4, 4), (8, 8), (16, 16), (32, 32)], [(7, 14), (14, 28), (28, 56)])
    """
    levels = (min(height, width) // 4).bit_length()
    factor = 2 ** max(levels - 1, 0)
    if not levels or height % factor or width % factor:
        raise SpecError(
            f"stylegan2: an image of {height}×{width} pixels cannot be halved down to 4 to 7; "
            "choose height and width as powers of two, or as 5, 6 or 7 times one."
        )
    return [(height * 2**n // factor, width * 2**n // factor) for n in range(levels)]


def _adam(learning_rate: Number, share: float) -> Adam:
    return Adam(learning_rate=learning_rate, beta1=0.0, beta2=0.99**share, epsilon=1e-8)


# --- generator -----------------------------------------------------------------------------------


def _styles(latent: int, levels: int, depth: int, rate: float, mixing: float) -> Styles:
    """Return the mapping network, (N, latent) → (N, 2·levels·latent)."""
    mapping: list[Layer] = [PixelNorm()]
    for _ in range(depth):
        mapping += [_dense(latent, learning_rate_multiplier=rate), ACTIVATION]
    return Styles(name="styles", layers=tuple(mapping), count=2 * levels, mixing=mixing)


def _synthesis(
    sizes: list[tuple[int, int]], widths: list[int], channels: int, latent: int
) -> tuple[Layer, ...]:
    """Return the layers from the styles to the image, (N, height, width, channels).

    The convolutions of a resolution take the copies 2n - 1 and 2n of the style, and its image takes
    the copy 2n + 1, like the next convolution.
    """
    layers: list[Layer] = [Constant(shape=(*sizes[0], widths[0]), value_init=UNIT)]
    before = widths[0]
    for level, filters in enumerate(widths):
        if level:
            upsampling = ModulatedConv2DTranspose(
                filters=filters,
                kernel=3,
                stride=2,
                padding="valid",  # (N, height + 1, width + 1, filters)
                bias=False,
                **_styled(2 * level - 1, latent, before),
            )
            blur = Resample2D(filter=FILTER, padding=1, gain=4.0)
            layers += [upsampling, blur, PixelNoise(), Bias(), ACTIVATION]
        layers += [
            ModulatedConv2D(filters=filters, kernel=3, **_styled(2 * level, latent, filters)),
            PixelNoise(),
            replace(ACTIVATION, name=f"features_{level}"),
        ]
        before = filters
    return (*layers, *_sum_images(widths, channels, latent))


def _sum_images(widths: list[int], channels: int, latent: int) -> tuple[Layer, ...]:
    """Return the layers from the features of the last resolution to the sum of all images."""
    level = len(widths) - 1
    to_image = ModulatedConv2D(
        name="to_image",
        filters=channels,
        kernel=1,
        demodulate=False,
        **_styled(2 * level + 1, latent, widths[level]),
    )
    if not level:
        return (to_image,)
    smaller = _sum_images(widths[:-1], channels, latent)
    upsampled = (*smaller, Resample2D(filter=FILTER, up=2))
    below = level - 1
    rest = Add(name=f"image_{below}", input=f"layer:features_{below}", layers=upsampled)
    return (to_image, rest)


def _styled(number: int, latent: int, inputs: int) -> dict[str, Any]:
    """Return the fields of a convolution that the copy ``number`` of the style modulates."""
    style = (
        Slice(start=number * latent, stop=(number + 1) * latent),
        replace(_dense(inputs), bias_init=Ones()),
    )
    return {"input": "layer:styles", "layers": style, "equalized_gain": 1.0, "kernel_init": UNIT}


def _dense(units: int, learning_rate_multiplier: float = 1.0) -> Dense:
    return Dense(
        units=units,
        equalized_gain=1.0,
        learning_rate_multiplier=learning_rate_multiplier,
        kernel_init=Normal(std=1.0 / learning_rate_multiplier),
    )


# --- discriminator -------------------------------------------------------------------------------


def _discriminator(widths: list[int]) -> tuple[Layer, ...]:
    """Return the layers of the discriminator, (N, height, width, channels) → (N, 1)."""
    downward = widths[::-1]
    blocks = [_residual(*pair) for pair in itertools.pairwise(downward)]
    return (
        _conv(downward[0], 1),
        ACTIVATION,
        *blocks,
        MinibatchStddev(group_size=4),
        _conv(widths[0], 3),
        ACTIVATION,
        Flatten(),
        _dense(widths[0]),
        ACTIVATION,
        _dense(1),
    )


def _conv(filters: int, kernel: int, **fields: Any) -> Conv2D:
    return Conv2D(
        **{
            "filters": filters,
            "kernel": kernel,
            "equalized_gain": 1.0,
            "kernel_init": UNIT,
            **fields,
        }
    )


def _residual(inputs: int, filters: int) -> Residual:
    """Return a block that halves the resolution; both branches are divided by √2."""
    return Residual(
        layers=(
            _conv(inputs, 3),
            ACTIVATION,
            Resample2D(filter=FILTER, padding=2),
            _conv(filters, 3, stride=2, padding="valid"),
            replace(ACTIVATION, gain=1.0),
        ),
        shortcut=(
            Resample2D(filter=FILTER, down=2),
            _conv(filters, 1, bias=False, equalized_gain=1 / GAIN),
        ),
    )
