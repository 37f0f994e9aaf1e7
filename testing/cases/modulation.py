"""Cases of layers that a vector modulates, of norms without a scale, of style vectors, and of noise
on pixels.
"""

from __future__ import annotations

from typing import Any

from gandem.core.specs import (
    BatchNorm,
    Concatenate,
    Constant,
    Conv2D,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyRelu,
    Modulate,
    ModulatedConv2D,
    ModulatedConv2DTranspose,
    Multiply,
    Ones,
    PixelNoise,
    PixelNorm,
    Relu,
    Reshape,
    Silu,
    Slice,
    Styles,
    Tanh,
    Upsample2D,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import (
    IMAGE,
    SMALL,
    VECTOR,
    image_case,
    labeled_case,
    vector_case,
)


def _maps(units: int, **fields: Any) -> dict[str, Any]:
    """Return a scale and an offset by one dense map each."""
    return {
        "scale": (Dense(units=units, **fields),),
        "offset": (Dense(units=units, name="shift", **fields),),
    }


def _modulations() -> list[Case]:
    silu, bare = Silu(), {"affine": False}
    style = {"image": (3, 4, 4), "noise": VECTOR}
    return [
        labeled_case("modulate an image", "image", SMALL, Modulate(**_maps(2))),
        labeled_case("modulate a vector", "noise", VECTOR,
                     Modulate(scale=(Embedding(units=5),), offset=(Dense(units=5), Tanh())),
                     label=None),
        Case(name="modulate each pixel", inputs={"image": SMALL, "other": (3, 4, 1)},
             layers=(Modulate(input="other", scale=(Conv2D(filters=2, kernel=3), silu),
                              offset=(Conv2D(filters=2, kernel=1),)),)),
        labeled_case("conditional batch_norm", "image", IMAGE,
                     Conv2D(filters=3, kernel=3, stride=2, bias=False), BatchNorm(**bare),
                     Modulate(**_maps(3, bias=False)), Relu()),
        labeled_case("spectral norm conditional batch_norm", "noise",
                     VECTOR, Concatenate(name="both", layers=(Embedding(units=2),)),
                     Dense(units=12, bias=False), Reshape(shape=(2, 3, 2)), BatchNorm(**bare),
                     Modulate(input="layer:both", **_maps(2, bias=False, spectral_norm=True)),
                     silu, label=None),
        labeled_case("conditional batch_norm vector", "noise", VECTOR, Dense(units=4, bias=False),
                     BatchNorm(affine=False, running_variance="biased"), Modulate(**_maps(4)),
                     silu),
        labeled_case("multiply an image", "image", SMALL,
                     Multiply(input="label", layers=(Dense(units=2),)), silu),
        Case(name="multiply each number", inputs={"image": SMALL, "other": (3, 4, 1)},
             layers=(Multiply(input="other", layers=(Conv2D(filters=2, kernel=3), silu)),)),
        Case(name="adaptive instance_norm", inputs=style, layers=(
            InstanceNorm(**bare), Modulate(input="noise", **_maps(4)), silu)),
        Case(name="adaptive group_norm", inputs=style, layers=(
            GroupNorm(groups=2, **bare), Modulate(input="noise", **_maps(4)), silu)),
        Case(name="adaptive layer_norm", inputs=style, layers=(
            LayerNorm(over="channels", **bare), Modulate(input="noise", **_maps(4)), silu)),
        vector_case("batch_norm vector without scale", BatchNorm(**bare)),
        image_case("batch_norm image without scale", BatchNorm(decay=0.8, **bare)),
        image_case("layer_norm image without scale", LayerNorm(**bare), shape=(3, 4, 3)),
        image_case("group_norm without scale", GroupNorm(groups=2, **bare), shape=(3, 4, 4)),
        image_case("instance_norm without scale", InstanceNorm(**bare), shape=(3, 4, 3)),
    ]  # fmt: skip


def _modulated_convolutions() -> list[Case]:
    def conv(kernel: Any = 3, filters: int = 3, **fields: Any) -> ModulatedConv2D:
        style = (Dense(units=2, bias_init=Ones()),)
        return ModulatedConv2D(
            filters=filters, kernel=kernel, **{"input": "label", "layers": style, **fields}
        )

    def up(**fields: Any) -> ModulatedConv2DTranspose:
        style, fields = (Dense(units=2, bias_init=Ones()),), {"kernel": 3, "stride": 2, **fields}
        return ModulatedConv2DTranspose(filters=3, input="label", layers=style, **fields)

    return [
        labeled_case("modulated_conv2d_transpose", "image", SMALL, up(padding="valid")),
        labeled_case("modulated_conv2d_transpose, not demodulated, k4", "image", SMALL,
                     up(kernel=4, demodulate=False), Silu()),
        labeled_case("modulated_conv2d_transpose, equalized, padded", "image", SMALL,
                     up(padding=((1, 0), (-1, 1)), equalized_gain=2.0, bias=False,
                        learning_rate_multiplier=0.5), Silu()),
        labeled_case("spectral norm modulated_conv2d_transpose", "image", SMALL,
                     up(spectral_norm=True), label=None),
        labeled_case("modulated_conv2d", "image", SMALL, conv()),
        labeled_case("modulated_conv2d not demodulated", "image", SMALL, conv(demodulate=False)),
        labeled_case("modulated_conv2d k4 s2", "image", IMAGE, conv(4, stride=2, bias=False)),
        labeled_case("modulated_conv2d k(2, 3), padded", "image", SMALL,
                     conv((2, 3), padding=((1, 0), (0, 2)), epsilon=1e-2)),
        labeled_case("modulated_conv2d to one channel", "image", SMALL,
                     conv(1, filters=1, demodulate=False), Tanh()),
        labeled_case("spectral norm modulated_conv2d", "image", SMALL,
                     conv(spectral_norm=True), label=None),
        labeled_case("modulated_conv2d, equalized and dilated", "image", SMALL,
                     conv(dilation=2, equalized_gain=2.0, learning_rate_multiplier=0.5), Silu()),
        Case(name="modulated_conv2d by an input", inputs={"image": SMALL, "style": (2,)},
             layers=(conv(input="style", layers=()), Silu())),
        image_case("pixel_noise", PixelNoise(), shape=SMALL),
        image_case("pixel_noise twice", PixelNoise(), Silu(), PixelNoise(), shape=SMALL),
        labeled_case("chain styled generator", "noise", VECTOR,
                     Concatenate(layers=(Embedding(units=2),)), Dense(units=3),
                     LeakyRelu(slope=0.2, name="style"), Dense(units=4), Reshape(shape=(2, 1, 2)),
                     conv(input="layer:style"), PixelNoise(), LeakyRelu(slope=0.2), Upsample2D(),
                     ModulatedConv2D(filters=1, kernel=1, input="layer:style", demodulate=False,
                                     layers=(Dense(units=3, bias_init=Ones()),)),
                     Tanh(), label=None),
    ]  # fmt: skip


def _styles() -> list[Case]:
    mapping = (PixelNorm(), Dense(units=4), LeakyRelu(slope=0.2, gain=2**0.5))

    def conv(part: int, **fields: Any) -> ModulatedConv2D:
        style = (Slice(start=4 * part, stop=4 * part + 4), Dense(units=2, bias_init=Ones()))
        return ModulatedConv2D(filters=2, kernel=3, input="layer:styles", layers=style, **fields)

    return [
        vector_case("styles", Styles(layers=mapping, count=2), Silu()),
        vector_case("styles of one layer", Styles(layers=mapping, count=1, mixing=0.5), Silu()),
        vector_case("styles, mixed", Styles(layers=mapping, count=3, mixing=0.9, decay=0.8),
                    Silu(), batch=4),
        vector_case("chain of styles", Styles(layers=mapping, count=2, mixing=0.9),
                    Constant(shape=(2, 3, 2)), conv(0), Silu(), conv(1, demodulate=False),
                    batch=4),
    ]  # fmt: skip


def list_modulations() -> list[Case]:
    """Return conditional and adaptive norms, modulated convolutions, style vectors, and noise on
    pixels.
    """
    return [*_modulations(), *_modulated_convolutions(), *_styles()]
