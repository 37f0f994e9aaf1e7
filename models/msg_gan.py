"""MSG-GAN: the discriminator reads the images that the generator makes at every resolution."""

import math

from gandem.core.errors import SpecError
from gandem.core.specs import (
    Adam,
    AveragePool2D,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
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
    Read,
    Reshape,
    Spec,
    Training,
    Upsample2D,
)

GAIN = math.sqrt(2)
UNIT = Normal(std=1.0)
LEAKY = LeakyRelu(slope=0.2)


def msg_gan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 128,
    width: int = 64,
    loss: str = "non-saturating",
    r1: Number = 10.0,
    learning_rate: Number = 3e-3,
    ema_decay: Number = 0.999,
    batch_size: int = 32,
    epochs: int = 100,
) -> Spec:
    r"""Return the MSG-GAN of Karnewar & Wang 2020, arXiv:1903.06048, on the networks of ProGAN.

    The generator has an image at each resolution, from 4×4 pixels up: a 1×1 convolution of the
    features there. The discriminator reads each of them at the block of the same resolution,
    beside its own features, so gradients reach all resolutions of the generator directly. Nothing
    grows. The kernels have an equalized learning rate, with a gain of √2 in every layer as in the
    authors' programs; the optimizer is their RMSprop with bias correction, Adam with β1 = 0.

    The plain form has the non-saturating loss and the R1 penalty of the authors' last program,
    msg-stylegan-tf. ``loss="relativistic-average-hinge"`` with ``r1=0`` is the form of their first
    program, BMSG-GAN; as in every relativistic loss the last bias cancels, and is left out. In the
    paper width and latent size are 512.

    Args:
        image: (height, width, channels); both are halved until the height is at most 4, or one of
            them is odd: 28×28 pixels have the resolutions 28, 14 and 7.
        latent: size of the noise, which is normalized to the length √latent.
        width: filters up to 32×32 pixels; half as many at each resolution above.
        loss: of both players.
        r1: weight γ of the R1 penalty, the mean of those at each resolution.
        learning_rate: of Adam, for both players.
        ema_decay: of the average of the generator's weights.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    if height % 2 or breadth % 2:
        raise SpecError(
            f"msg-gan: images of {height}x{breadth} pixels cannot be halved; expected an even "
            "height and width, best powers of two."
        )
    start = (height // 2, breadth // 2)
    while start[0] > 4 and start[0] % 2 == start[1] % 2 == 0:
        start = (start[0] // 2, start[1] // 2)
    resolutions = [start[0] << i for i in range((height // start[0]).bit_length())]
    filters = {rows: max(1, min(width, 32 * width // rows)) for rows in resolutions}
    optimizer = Adam(learning_rate=learning_rate, beta1=0.0, beta2=0.99, epsilon=1e-8)
    return Spec(
        name="msg-gan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name=loss, halves="sum", r1=r1),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            noise="fresh",
            partial_batch="drop",
            ema_decay=ema_decay,
        ),
        players=(
            Player(
                name="generator",
                input="noise",
                optimizer=optimizer,
                layers=_generator(latent, filters, start, channels),
                outputs=tuple(f"image_{rows}" for rows in resolutions[:-1]),
            ),
            Player(
                name="discriminator",
                input="image",
                optimizer=optimizer,
                layers=_discriminator(filters, start, bias=not loss.startswith("relativistic")),
            ),
        ),
    )


def _conv(filters: int, kernel: int = 3, name: str | None = None) -> Conv2D:
    return Conv2D(name=name, filters=filters, kernel=kernel, equalized_gain=GAIN, kernel_init=UNIT)


def _generator(
    latent: int, filters: dict[int, int], start: tuple[int, int], channels: int
) -> tuple[Layer, ...]:
    """Return the layers of the generator; ``filters`` by the rows of the image, from the lowest."""
    first, height = filters[start[0]], max(filters)
    layers: list[Layer] = [
        PixelNorm(),
        Reshape(shape=(1, 1, latent)),
        Conv2DTranspose(
            filters=first,
            kernel=start,
            padding="valid",
            equalized_gain=GAIN * math.sqrt(math.prod(start)),  # fan_in is the latent size
            kernel_init=UNIT,
        ),
        LEAKY,
        _conv(first),
        LEAKY,
        PixelNorm(name=f"features_{start[0]}"),  # (N, 4, 4, 512)
        _conv(channels, 1, f"image_{start[0]}"),
    ]
    for rows, width in list(filters.items())[1:]:
        layers += [Read(input=f"layer:features_{rows // 2}"), Upsample2D()]
        for name in (None, f"features_{rows}"):
            layers += [_conv(width), LEAKY, PixelNorm(name=name)]
        layers.append(_conv(channels, 1, None if rows == height else f"image_{rows}"))
    return tuple(layers)


def _discriminator(
    filters: dict[int, int], start: tuple[int, int], *, bias: bool
) -> tuple[Layer, ...]:
    """Return the layers of the discriminator, from the full resolution to the lowest.

    Args:
        bias: of the last layer.
    """
    height, layers = max(filters), list[Layer]()
    for rows, width in reversed(filters.items()):
        if rows == height:
            layers += [_conv(width, 1), LEAKY]
        else:
            layers.append(Concatenate(input=f"image:{rows}"))
        layers += [MinibatchStddev(), _conv(width), LEAKY]
        if rows > start[0]:
            layers += [_conv(filters[rows // 2]), LEAKY, AveragePool2D()]
    layers += [
        Conv2D(
            filters=filters[start[0]],
            kernel=start,
            padding="valid",
            equalized_gain=GAIN,
            kernel_init=UNIT,
        ),
        LEAKY,
        Flatten(),  # (N, 512)
        Dense(units=1, bias=bias, equalized_gain=GAIN, kernel_init=UNIT),
    ]
    return tuple(layers)
