"""The residual networks of SN-GAN, which the GANs after it share: blocks, generator, discriminator.

Miyato et al. 2018, arXiv:1802.05957, table 4; github.com/pfnet-research/sngan_projection.
"""

from __future__ import annotations

from collections.abc import Iterable

from gandem.core.specs import (
    Add,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dot,
    Embedding,
    GlobalSumPool2D,
    Initializer,
    KaimingUniform,
    Layer,
    Modulate,
    Relu,
    Reshape,
    Residual,
    Tanh,
    Upsample2D,
    Zeros,
)

HE = KaimingUniform()
"""Of the kernels in a block; for as many filters as channels Glorot's with a gain of √2."""
Norm = tuple[Layer, ...]


def batch_norm() -> Norm:
    """Return batch norm with Chainer's constants."""
    return (BatchNorm(epsilon=2e-5, decay=0.9),)


def label_norm(width: int) -> Norm:
    """Return batch norm of ``width`` channels whose scale and offset depend on the class."""

    def table() -> tuple[Layer, ...]:
        return (Embedding(units=width, table_init=Zeros()),)

    plain = BatchNorm(epsilon=2e-5, decay=0.9, affine=False)
    return (plain, Modulate(input="label", scale=table(), offset=table()))


def up_block(width: int, norm: Norm, *, spectral_norm: bool = False) -> Residual:
    """Return a block of the generator, (N, H, W, C) → (N, 2·H, 2·W, width).

    Its convolutions have no bias: each is followed by batch norm, in this block or a later one.
    """

    def conv(kernel: int, **fields: Initializer) -> Conv2D:
        return Conv2D(
            filters=width, kernel=kernel, bias=False, spectral_norm=spectral_norm, **fields
        )

    first, second = conv(3, kernel_init=HE), conv(3, kernel_init=HE)
    return Residual(
        layers=(*norm, Relu(), Upsample2D(), first, *norm, Relu(), second),
        shortcut=(Upsample2D(), conv(1)),
    )


def down_blocks(width: int, halvings: int) -> list[Layer]:
    """Return the blocks of the discriminator, (N, H, W, C) → (N, H', W', width).

    The first reads the image, so no activation precedes it. It and ``halvings - 1`` more halve the
    image; two that keep its size follow.
    """
    conv = Conv2D(filters=width, kernel=3, spectral_norm=True, kernel_init=HE)
    match = Conv2D(filters=width, kernel=1, spectral_norm=True)
    pool = AveragePool2D()
    first = Residual(layers=(conv, Relu(), conv, pool), shortcut=(pool, match))
    inner = (Relu(), conv, Relu(), conv)
    halving = Residual(layers=(*inner, pool), shortcut=(match, pool))
    return [first, *[halving] * (halvings - 1), *[Residual(layers=inner)] * 2]


def images(
    image: tuple[int, int, int],
    blocks: Iterable[Layer],
    *,
    width: int,
    halvings: int,
    spectral_norm: bool = False,
) -> tuple[Layer, ...]:
    """Return a generator: a dense layer, ``blocks``, and a convolution that makes the image.

    Args:
        image: (height, width, channels).
        blocks: the layers between; they double the size ``halvings`` times.
        width: channels before the first block.
        halvings: the dense layer makes an image that is so many times halved.
        spectral_norm: of the first and the last layer.
    """
    start = (image[0] >> halvings, image[1] >> halvings, width)
    return (
        Dense(units=start[0] * start[1] * width, spectral_norm=spectral_norm),
        Reshape(shape=start),  # (N, 4, 4, 256)
        *blocks,
        *batch_norm(),
        Relu(),
        Conv2D(filters=image[2], kernel=3, spectral_norm=spectral_norm),
        Tanh(),
    )


def features(blocks: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return the body of a discriminator: ``blocks``, and the sum over all pixels, called
    ``"features"``.
    """
    return (*blocks, Relu(), GlobalSumPool2D(name="features"))


def projection(width: int) -> tuple[Layer, ...]:
    r"""Return the last layers of a projection discriminator, after :func:`features`.

    .. math:: \langle V y, \phi(x) \rangle + \psi(\phi(x))

    V is a table of ``width`` numbers for each class, y the class, ψ a dense layer. Miyato & Koyama
    2018, arXiv:1802.05637.
    """
    table = Dense(units=width, bias=False, spectral_norm=True)  # of a one-hot label
    last = Dense(units=1, bias=False, spectral_norm=True)
    return (Dot(input="label", layers=(table,)), Add(input="layer:features", layers=(last,)))
