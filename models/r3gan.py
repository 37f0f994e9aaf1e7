"""R3GAN: a relativistic loss, two penalties, and residual networks without normalization."""

import math

from gandem.core.specs import (
    Adam,
    Augment,
    Constant,
    Conv2D,
    Cosine,
    Dense,
    Flatten,
    Image,
    Latent,
    Layer,
    LeakyRelu,
    Loss,
    Multiply,
    Normal,
    Number,
    Player,
    Resample2D,
    Residual,
    Spec,
    Training,
    Zeros,
)

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))


def until_400(start: float, stop: float) -> Cosine:
    """Return the authors' schedule: 20 million images, 400 times the 50,000 of CIFAR-10."""
    return Cosine(from_=start, to=stop, end=400.0, unit="epochs")


LEARNING_RATE = until_400(2e-4, 5e-5)
BETA2 = until_400(0.9, 0.99)
PENALTY = until_400(0.05, 0.005)
HALF_LIFE = until_400(0.0, 5e6)
AUGMENTATION = until_400(0.0, 0.55)


def r3gan(
    *,
    image: tuple[int, int, int] = (32, 32, 3),
    latent: int = 64,
    width: int = 768,
    groups: int = 96,
    stages: int = 4,
    blocks: int = 2,
    learning_rate: Number = LEARNING_RATE,
    beta2: Number = BETA2,
    penalty: Number = PENALTY,
    ema_half_life: Number = HALF_LIFE,
    augment_probability: Number = AUGMENTATION,
    batch_size: int = 512,
    epochs: int = 400,
) -> Spec:
    r"""Return the R3GAN of Huang et al. 2024, arXiv:2501.05441, in its setting for CIFAR-10.

    Each fake image is compared with a real one, and the gradient of the discriminator is penalized
    at both (R1 and R2). With that loss the networks need none of the usual tricks. They are chains
    of blocks with an inverted bottleneck and a grouped convolution, the generator the mirror image
    of the discriminator. As in Fixup (Zhang et al. 2019, arXiv:1901.09321) the last kernel of a
    block starts at 0, and the others with variance 2 / ((1 + 0.2²)·fan_in·√L) for L blocks.
    Five numbers follow a cosine: learning rate, β2, the weight of both penalties, the half-life of
    the weight average, and the probability of augmentation. A width of 64 with ``groups=8`` trains
    on a CPU.

    Departures from the authors' program: augmentation consists of mirroring, translation, cutout
    and colors (DiffAugment), not of the 13 transformations of ADA; and the learned 4×4 images of
    the first layer are ``constant`` and ``multiply``, of the same function.

    Args:
        image: (height, width, channels); height and width divisible by 2 for each stage but one.
        latent: size of the noise.
        width: channels between blocks; within them twice as many.
        groups: of the 3×3 convolutions; they divide 2·width.
        stages: sizes of the image inside the networks: 4, 8, 16 and 32.
        blocks: per stage.
        learning_rate: of Adam, for both players.
        beta2: of Adam, for both players.
        penalty: γ, the weight of R1 and of R2.
        ema_half_life: of the average of the generator's weights, in images.
        augment_probability: of each group of changes of an image.
        batch_size: images per batch.
        epochs: passes over the data, by default.
    """
    height, breadth, channels = image
    start = (height >> (stages - 1), breadth >> (stages - 1))
    gain = GAIN * (stages * blocks) ** -0.25
    stage = [_block(width, groups, gain)] * blocks
    generator: list[Layer] = [
        Constant(shape=(*start, width), value_init=Normal(std=1.0)),
        Multiply(input="noise", layers=(_dense(latent, width),)),  # (N, 4, 4, 768)
        *stage,
    ]
    for _ in range(stages - 1):
        generator += [Resample2D(filter=(1, 3, 3, 1), up=2), *stage]
    generator.append(_conv(width, channels, 1))  # (N, 32, 32, 3)
    discriminator: list[Layer] = [_conv(channels, width, 1), *stage]
    for _ in range(stages - 1):
        discriminator += [Resample2D(filter=(1, 3, 3, 1), down=2), *stage]
    area = start[0] * start[1]
    discriminator += [
        Conv2D(
            filters=width,
            kernel=start,
            padding="valid",
            groups=width,
            bias=False,
            kernel_init=Normal(std=1 / math.sqrt(area)),
        ),
        Flatten(),  # (N, 768)
        _dense(width, 1),
    ]
    optimizer = Adam(learning_rate=learning_rate, beta1=0.0, beta2=beta2, epsilon=1e-8)
    return Spec(
        name="r3gan",
        image=Image(height=height, width=breadth, channels=channels, low=-1.0, high=1.0),
        latent=Latent(size=latent),
        loss=Loss(name="relativistic", halves="sum", r1=penalty, r2=penalty),
        training=Training(
            batch_size=batch_size,
            epochs=epochs,
            noise="fresh",
            ema_half_life=ema_half_life,
            augment=Augment(
                probability=augment_probability,
                flip=True,
                translation=0.125,
                cutout=0.5,
                brightness=0.5,
                saturation=0.5,
                contrast=0.5,
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


def _dense(inputs: int, units: int) -> Dense:
    return Dense(units=units, bias=False, kernel_init=Normal(std=1 / math.sqrt(inputs)))


def _conv(inputs: int, filters: int, kernel: int) -> Conv2D:
    """Return a linear convolution whose output has the variance of its input."""
    std = 1 / (kernel * math.sqrt(inputs))
    return Conv2D(filters=filters, kernel=kernel, bias=False, kernel_init=Normal(std=std))


def _block(width: int, groups: int, gain: float) -> Residual:
    """Return a residual block, (N, H, W, width) → (N, H, W, width), that starts as the identity."""
    inner = 2 * width
    first = Conv2D(filters=inner, kernel=1, kernel_init=Normal(std=gain / math.sqrt(width)))
    fan_in = 9 * inner // groups
    grouped = Conv2D(
        filters=inner, kernel=3, groups=groups, kernel_init=Normal(std=gain / math.sqrt(fan_in))
    )
    last = Conv2D(filters=width, kernel=1, bias=False, kernel_init=Zeros())
    leaky = LeakyRelu(slope=SLOPE)
    return Residual(layers=(first, leaky, grouped, leaky, last))
