"""Cases of convolutions and of spectral norm."""

from __future__ import annotations

from typing import Any

from gandem.core.specs import (
    BatchNorm,
    Bias,
    Concatenate,
    Constant,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    LeakyRelu,
    PositionEmbedding,
    Relu,
    Reshape,
    Residual,
    Silu,
    Tanh,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import SMALL, image_case, vector_case


def list_convolutions() -> list[Case]:
    """Return both kinds of convolution, of many kernels, strides and paddings."""
    cases = []
    for k in (1, 2, 3, 4, 5, 7):
        for s in (1, 2, 3):
            for padding in ("same", "valid"):
                filters = 1 if k == 7 else 3
                layer = Conv2D(filters=filters, kernel=k, stride=s, padding=padding, bias=k < 4)
                cases.append(image_case(f"conv2d k{k} s{s} {padding}", layer))
                crop = Conv2DTranspose(filters=3, kernel=k, stride=s, padding=padding, bias=k < 4)
                cases.append(image_case(f"conv2d_transpose k{k} s{s} {padding}", crop, shape=SMALL))
    for kernel, stride, pads in (
        (1, 2, ((0, 1), (2, 0))),
        (2, 1, ((1, 0), (0, 1))),
        (3, 2, ((1, 2), (0, 3))),
        (4, 2, ((1, 1), (1, 1))),
        (5, 3, ((4, 0), (1, 2))),
        ((3, 2), (1, 2), ((0, 0), (1, 0))),
        ((2, 5), (3, 1), ((2, 1), (0, 4))),
    ):
        layer = Conv2D(filters=2, kernel=kernel, stride=stride, padding=pads)
        cases.append(image_case(f"conv2d k{kernel} s{stride} {pads}", layer))
    for kernel, stride, pads in (
        (3, 2, ((1, 0), (1, 0))),  # PyTorch's padding=1, output_padding=1
        (5, 2, ((2, 1), (2, 1))),
        (4, 2, ((1, 1), (1, 1))),
        (4, 1, ((0, 3), (2, 1))),
        (5, 3, ((1, 0), (0, 2))),
        (2, 3, ((-1, 0), (0, -1))),  # a negative crop adds rows that see only the bias
        (3, 1, ((-1, -2), (1, -1))),
        (1, 2, ((0, -1), (-1, 0))),
        ((3, 2), (1, 2), ((1, 1), (0, 1))),
        ((2, 5), (3, 2), ((0, -1), (2, 1))),
    ):
        crop = Conv2DTranspose(filters=2, kernel=kernel, stride=stride, padding=pads)
        cases.append(image_case(f"conv2d_transpose k{kernel} s{stride} {pads}", crop, shape=SMALL))
    for k, s in ((3, 2), (4, 2)):
        crop = Conv2DTranspose(filters=1, kernel=(k, k), stride=(s, s))
        cases.append(image_case(f"conv2d_transpose k{k} s{s} same on 7 x 8", crop))
    for kernel, stride in (((3, 2), (1, 2)), ((2, 5), (3, 1))):
        layer = Conv2D(filters=2, kernel=kernel, stride=stride)
        crop = Conv2DTranspose(filters=2, kernel=kernel, stride=stride)
        cases.append(image_case(f"conv2d k{kernel} s{stride} same", layer))
        cases.append(image_case(f"conv2d_transpose k{kernel} s{stride} same", crop, shape=SMALL))
    wide: tuple[Any, ...] = ("same", "valid", ((2, 1), (0, 2)))
    for pads in wide:  # frameworks have kernels of their own for few channels
        layer = Conv2D(filters=2, kernel=4, stride=2, padding=pads)
        crop = Conv2DTranspose(filters=6, kernel=4, stride=2, padding=pads)
        cases.append(image_case(f"conv2d of 6 channels k4 s2 {pads}", layer, shape=(5, 6, 6)))
        cases.append(
            image_case(f"conv2d_transpose to 6 channels k4 s2 {pads}", crop, shape=(3, 4, 2))
        )
    return cases


def list_spectral_norms() -> list[Case]:
    """Return layers with spectral norm, alone and in short networks."""
    silu = Silu()

    def dense(units: int, bias: bool = True) -> Dense:
        return Dense(units=units, bias=bias, spectral_norm=True)

    def conv(filters: int, kernel: Any, stride: Any = 1, **more: Any) -> Conv2D:
        return Conv2D(filters=filters, kernel=kernel, stride=stride, spectral_norm=True, **more)

    def up(filters: int, kernel: Any, stride: Any = 1, **more: Any) -> Conv2DTranspose:
        fields = {"filters": filters, "kernel": kernel, "stride": stride, **more}
        return Conv2DTranspose(**fields, spectral_norm=True)

    pads = ((0, 1), (2, 0))
    return [
        vector_case("spectral norm dense", dense(4)),
        vector_case("spectral norm dense without bias", dense(3, bias=False)),
        vector_case("spectral norm dense wider than its input", dense(7), Tanh()),
        vector_case("spectral norm dense to one number", dense(1), Tanh()),
        image_case("spectral norm conv2d k3", conv(3, 3), shape=SMALL),
        image_case("spectral norm conv2d k4 s2", conv(3, 4, 2, bias=False), silu),
        image_case("spectral norm conv2d k(2, 5) s(3, 1)", conv(2, (2, 5), (3, 1), padding=pads),
               silu),
        image_case("spectral norm conv2d_transpose k3 s2", up(3, 3, 2), shape=SMALL),
        image_case("spectral norm conv2d_transpose k4 s2", up(3, 4, 2, bias=False), Tanh(),
               shape=SMALL),
        image_case("spectral norm conv2d_transpose k(3, 2) s(1, 2)",
               up(3, (3, 2), (1, 2), padding=((1, 1), (0, -1))), silu, shape=SMALL),
        image_case("spectral norm residual", Residual(layers=(conv(2, 3), silu, conv(3, (1, 2))),
                                                  shortcut=(conv(3, 1),)), shape=SMALL),
        image_case("spectral norm discriminator", conv(2, 4, 2), LeakyRelu(slope=0.1), Flatten(),
               dense(3), silu, dense(1)),
        vector_case("spectral norm generator", dense(12), Relu(), Reshape(shape=(2, 3, 2)),
                up(3, 4, 2, bias=False), BatchNorm(), silu, conv(1, 3), Tanh()),
    ]  # fmt: skip


def list_grouped_convolutions() -> list[Case]:
    """Return convolutions with groups and with dilation; SMALL has 2 channels."""
    silu, wide = Silu(), (5, 6, 6)
    cases = []
    for groups, kernel, stride, dilation, padding in (
        (2, 3, 1, 1, "same"),
        (3, 4, 2, 1, "same"),
        (2, (2, 3), (2, 1), 1, ((1, 0), (0, 2))),
        (6, 3, 1, 1, "valid"),
        (6, 4, 2, 1, "same"),
        (6, 3, (2, 1), 1, "same"),
        (1, 3, 1, 2, "same"),
        (1, 3, 2, 2, "same"),
        (1, (2, 3), 1, (3, 1), "valid"),
        (1, 2, 1, 3, ((1, 2), (0, 3))),
        (3, 3, 1, 2, "same"),
        (6, 3, 1, (1, 2), "same"),
    ):
        layer = Conv2D(
            filters=6 if groups < 6 else 12,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            groups=groups,
            padding=padding,
            bias=groups != 3,
        )
        name = f"conv2d k{kernel} s{stride} d{dilation} of {groups} groups, {padding}"
        cases.append(image_case(name, layer, silu, shape=wide))
    return [
        *cases,
        image_case("chain depthwise and pointwise",
                   Conv2D(filters=4, kernel=3, groups=2, bias=False), silu,
                   Conv2D(filters=3, kernel=1), silu, Conv2D(filters=3, kernel=3, dilation=2)),
        image_case("spectral norm of groups", Conv2D(
            filters=4, kernel=3, groups=2, dilation=2, spectral_norm=True), silu, shape=SMALL),
    ]  # fmt: skip


def list_equalized() -> list[Case]:
    """Return layers with an equalized learning rate, and with a multiplier of it."""
    silu, fields = Silu(), {"equalized_gain": 2**0.5, "learning_rate_multiplier": 0.5}
    return [
        vector_case("equalized dense", Dense(units=4, equalized_gain=1.0), silu),
        vector_case("dense of another learning rate",
                    Dense(units=4, learning_rate_multiplier=0.1), silu, Dense(units=2)),
        vector_case("spectral norm equalized dense",
                    Dense(units=4, spectral_norm=True, **fields), silu),
        image_case("equalized conv2d", Conv2D(filters=4, kernel=3, groups=2, **fields), silu,
                   Conv2D(filters=2, kernel=(1, 3), equalized_gain=2.0), shape=SMALL),
        image_case("equalized conv2d_transpose", silu, Conv2DTranspose(
            filters=3, kernel=4, stride=2, **fields), silu, shape=SMALL),
        image_case("spectral norm equalized conv2d_transpose", Conv2DTranspose(
            filters=3, kernel=3, stride=2, spectral_norm=True, equalized_gain=1.0), silu,
            shape=SMALL),
    ]  # fmt: skip


def list_learned_images() -> list[Case]:
    """Return a learned constant, a learned position, and learned numbers of channels."""
    return [
        image_case("bias", Bias(), Silu(), Bias(), shape=SMALL),
        vector_case("bias of a vector", Bias(), Silu()),
        image_case("constant", Residual(layers=(Constant(shape=SMALL),)), Silu(), shape=SMALL),
        image_case("constant of another shape", Concatenate(input="image", layers=(
            Constant(shape=(3, 4, 1)),)), Conv2D(filters=2, kernel=2), Silu(), shape=SMALL),
        image_case("position_embedding", PositionEmbedding(), Silu(), shape=SMALL),
    ]  # fmt: skip
