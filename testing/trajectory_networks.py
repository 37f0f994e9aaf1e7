"""The networks of the trajectories on 8×8 images: each has some of the layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gandem.core import specs as kinds
from gandem.core.specs import Layer, Spec

Networks = Mapping[str, tuple[Layer, ...]]
"""The layers of each player that differ from those of :data:`SMALL`, or of a player besides."""


def _small() -> Spec:
    adam = kinds.Adam(learning_rate=1e-3, beta1=0.5, beta2=0.99, epsilon=1e-6)
    generator: tuple[Layer, ...] = (
        kinds.Dense(units=2 * 2 * 6, bias=False),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.Relu(),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.Conv2DTranspose(filters=5, kernel=4, stride=2),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2DTranspose(filters=4, kernel=5, stride=2),
        kinds.Elu(),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    )
    discriminator: tuple[Layer, ...] = (
        kinds.Conv2D(filters=5, kernel=3, stride=2),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2D(filters=6, kernel=4, stride=2, bias=False),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.LeakyRelu(slope=0.2),
        kinds.Flatten(),
        kinds.Dense(units=1),
    )
    return Spec(
        name="small",
        image=kinds.Image(height=8, width=8),
        latent=kinds.Latent(size=5),
        loss=kinds.Loss(),
        training=kinds.Training(batch_size=16, noise="fresh", partial_batch="drop"),
        players=(
            kinds.Player(name="generator", input="noise", optimizer=adam, layers=generator),
            kinds.Player(name="discriminator", input="image", optimizer=adam, layers=discriminator),
        ),
    )


SMALL = _small()


def give_layers(layers: Networks) -> tuple[kinds.Player, ...]:
    """Return the players of :data:`SMALL` with other layers, and those besides."""
    first = SMALL.players[0]
    known = {player.name: player for player in SMALL.players}
    others = {name: replace(first, name=name, input="image") for name in layers.keys() - known}
    return tuple(
        replace(player, layers=layers.get(name, player.layers))
        for name, player in (known | others).items()
    )


DROPOUT: tuple[Layer, ...] = (
    kinds.Conv2D(filters=5, kernel=3, stride=2),
    kinds.LeakyRelu(slope=0.2),
    kinds.Dropout(rate=0.3),
    kinds.Flatten(),
    kinds.Dropout(rate=0.5),
    kinds.Dense(units=1),
)
COLORED: Networks = {
    "generator": (
        *SMALL.player("generator").layers[:-2],
        kinds.Conv2D(filters=3, kernel=3),
        kinds.Tanh(),
    ),
}
NO_LAST_BIAS: tuple[Layer, ...] = (
    *SMALL.player("discriminator").layers[:-1],
    kinds.Dense(units=1, bias=False),
)
CONDITIONAL: Networks = {
    "generator": (
        kinds.Concatenate(layers=(kinds.Embedding(units=4), kinds.Dense(units=3))),
        *SMALL.player("generator").layers,
    ),
    "discriminator": (kinds.Concatenate(planes=True), *SMALL.player("discriminator").layers),
}
WITH_CLASS_LOGITS: Networks = {
    "generator": CONDITIONAL["generator"],
    "discriminator": (*SMALL.player("discriminator").layers[:-1], kinds.Dense(units=4)),
}
ENCODER: Networks = {
    "discriminator": (
        *SMALL.player("discriminator").layers[:-1],
        kinds.Concatenate(input="noise", layers=(kinds.Dense(units=4), kinds.Tanh())),
        kinds.Dense(units=1),
    ),
    "encoder": (
        kinds.Conv2D(filters=4, kernel=3, stride=2, bias=False),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.LeakyRelu(slope=0.2),
        kinds.Dropout(rate=0.3),
        kinds.Flatten(),
        kinds.Dense(units=5),
    ),
}
ENCODER_CONDITIONAL: Networks = {
    "generator": CONDITIONAL["generator"],
    "discriminator": (
        kinds.Concatenate(planes=True),
        *ENCODER["discriminator"][:-1],
        kinds.Dense(units=1, bias=False),
    ),
    "encoder": ENCODER["encoder"],
}
NORMS: Networks = {
    "generator": (
        kinds.Dense(units=4 * 4 * 6),
        kinds.LayerNorm(),
        kinds.Silu(),
        kinds.Reshape(shape=(4, 4, 6)),
        kinds.Upsample2D(method="bilinear"),
        kinds.Conv2D(filters=4, kernel=3, bias=False),
        kinds.InstanceNorm(),
        kinds.Residual(
            layers=(kinds.Conv2D(filters=4, kernel=3), kinds.GroupNorm(groups=2), kinds.Relu())
        ),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Conv2D(filters=6, kernel=3),
        kinds.GroupNorm(groups=3),
        kinds.LeakyRelu(slope=0.1),
        kinds.AveragePool2D(),
        kinds.Residual(
            layers=(kinds.Conv2D(filters=8, kernel=3), kinds.LayerNorm(over="channels")),
            shortcut=(kinds.Conv2D(filters=8, kernel=1, bias=False),),
        ),
        kinds.MaxPool2D(),
        kinds.GlobalMaxPool2D(),
        kinds.Dense(units=1),
    ),
}
SPECTRAL: Networks = {
    "generator": (
        kinds.Dense(units=2 * 2 * 6, spectral_norm=True),
        kinds.Relu(),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.Conv2DTranspose(filters=5, kernel=4, stride=2, bias=False, spectral_norm=True),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2DTranspose(filters=4, kernel=(5, 3), stride=2),
        kinds.Elu(),
        kinds.Conv2D(filters=1, kernel=3, spectral_norm=True),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Conv2D(filters=5, kernel=3, stride=2, spectral_norm=True),
        kinds.LeakyRelu(slope=0.1),
        kinds.Residual(
            layers=(kinds.Conv2D(filters=6, kernel=(3, 2), spectral_norm=True), kinds.Silu()),
            shortcut=(kinds.Conv2D(filters=6, kernel=1, bias=False, spectral_norm=True),),
        ),
        kinds.Flatten(),
        kinds.Dense(units=1, spectral_norm=True),
    ),
}


def _conditional_norm(units: int, **fields: Any) -> tuple[Layer, ...]:
    """Return a batch norm whose scale and offset come from the layer ``code``."""
    return (
        kinds.BatchNorm(epsilon=1e-4, decay=0.8, affine=False),
        kinds.Modulate(
            input="layer:code",
            scale=(kinds.Dense(units=units, bias=False, **fields),),
            offset=(kinds.Dense(units=units, **fields),),
        ),
    )


ATTENTION: Networks = {
    "generator": (
        kinds.Concatenate(name="code", layers=(kinds.Embedding(units=3),)),
        kinds.Dense(units=2 * 2 * 6),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.Upsample2D(),
        *_conditional_norm(6, spectral_norm=True),
        kinds.Relu(),
        kinds.SelfAttention(reduction=3, value_reduction=2, spectral_norm=True),
        kinds.Upsample2D(),
        kinds.Conv2D(filters=4, kernel=3, bias=False, spectral_norm=True),
        *_conditional_norm(4),
        kinds.Relu(),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Conv2D(filters=4, kernel=3, stride=2, spectral_norm=True),
        kinds.LeakyRelu(slope=0.1),
        kinds.SelfAttention(reduction=2, value_reduction=2, pool=True, spectral_norm=True),
        kinds.Conv2D(filters=5, kernel=3, stride=2, spectral_norm=True),
        kinds.LeakyRelu(slope=0.1),
        kinds.Flatten(name="features"),
        kinds.Dense(units=1, spectral_norm=True),
        kinds.Add(
            input="layer:features",
            layers=(kinds.Dot(layers=(kinds.Dense(units=20, bias=False, spectral_norm=True),)),),
        ),
    ),
}


def _styled(filters: int, channels: int, **fields: Any) -> Layer:
    """Return a convolution that the layer ``style`` modulates."""
    style = (kinds.Dense(units=channels, bias_init=kinds.Ones()),)
    conv = {"filters": filters, "kernel": 3, "input": "layer:style", "layers": style, **fields}
    return kinds.ModulatedConv2D(**conv)


STYLES: Networks = {
    "generator": (
        kinds.Dense(units=6),
        kinds.LeakyRelu(slope=0.2, name="style"),
        kinds.Dense(units=2 * 2 * 6),
        kinds.Reshape(shape=(2, 2, 6)),
        _styled(5, 6),
        kinds.PixelNoise(),
        kinds.LeakyRelu(slope=0.2, name="coarse"),
        kinds.Upsample2D(),
        _styled(4, 5),
        kinds.PixelNoise(strength_init=kinds.Normal(std=0.1)),
        kinds.LeakyRelu(slope=0.2),
        kinds.Upsample2D(method="bilinear"),
        _styled(1, 4, kernel=1, demodulate=False),
        kinds.Add(
            input="layer:coarse",
            layers=(_styled(1, 5, kernel=1, demodulate=False), kinds.Upsample2D(factor=4)),
        ),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Conv2D(filters=4, kernel=3, name="stem"),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2D(filters=5, kernel=3, stride=2),
        kinds.Silu(),
        kinds.Upsample2D(),
        kinds.Concatenate(input="layer:stem"),
        kinds.InstanceNorm(affine=False),
        kinds.Silu(),
        kinds.Conv2D(filters=3, kernel=4, stride=2),
        kinds.LeakyRelu(slope=0.2),
        kinds.Flatten(),
        kinds.Dense(units=1),
    ),
}
EQUALIZED: Networks = {
    "generator": (
        kinds.PixelNorm(),
        kinds.Dense(
            units=2 * 2 * 8,
            equalized_gain=2**0.5,
            learning_rate_multiplier=0.5,
            kernel_init=kinds.Normal(std=2.0),
        ),
        kinds.Prelu(),
        kinds.Reshape(shape=(2, 2, 8)),
        kinds.PositionEmbedding(),
        kinds.Resample2D(up=2),
        kinds.Conv2D(
            filters=6, kernel=3, groups=2, equalized_gain=1.0, kernel_init=kinds.Normal(std=1.0)
        ),
        kinds.Gelu(),
        kinds.Concatenate(input="noise", layers=(kinds.Constant(shape=(4, 4, 2)),)),
        kinds.Conv2D(filters=4, kernel=3, dilation=2),
        kinds.Selu(),
        kinds.DepthToSpace(),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.SpaceToDepth(),
        kinds.Conv2D(filters=8, kernel=3, groups=4, bias=False),
        kinds.Softplus(),
        kinds.Conv2D(filters=6, kernel=1),
        kinds.Resample2D(filter=(1, 2, 1), down=2, padding="reflect"),
        kinds.Gelu(approximation="tanh"),
        kinds.MinibatchStddev(features=2),
        kinds.Flatten(),
        kinds.Dense(units=1, equalized_gain=1.0, kernel_init=kinds.Normal(std=1.0)),
    ),
}
RESOLUTIONS: Networks = {
    "generator": (
        kinds.Concatenate(),
        kinds.Dense(units=2 * 2 * 6),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.Conv2DTranspose(filters=5, kernel=4, stride=2),
        kinds.LeakyRelu(slope=0.2, name="coarse"),
        kinds.Conv2D(filters=1, kernel=1, name="image_4"),
        kinds.Read(input="layer:coarse"),
        kinds.Upsample2D(),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Concatenate(planes=True),
        kinds.Conv2D(filters=4, kernel=3),
        kinds.LeakyRelu(slope=0.2),
        kinds.AveragePool2D(),
        kinds.Concatenate(input="image:4", layers=(kinds.Conv2D(filters=3, kernel=1),)),
        kinds.Conv2D(filters=5, kernel=3, stride=2),
        kinds.Silu(),
        kinds.Flatten(),
        kinds.Dense(units=1),
    ),
}


def _read_part() -> tuple[Layer, ...]:
    """Return layers that make 6 numbers of a part of the noise and of the embedded class."""
    part = kinds.Slice(start=2, stop=5)
    embedded = kinds.Concatenate(input="layer:embedded/class")
    return (part, embedded, kinds.Dense(units=6, bias=False))


SLICES: Networks = {
    "generator": (
        kinds.Concatenate(name="embedded", layers=(kinds.Embedding(units=3, name="class"),)),
        kinds.Slice(stop=2),
        kinds.Dense(units=2 * 2 * 6),
        kinds.Reshape(shape=(2, 2, 6)),
        kinds.BatchNorm(epsilon=1e-4, decay=0.8, affine=False),
        kinds.Modulate(input="noise", scale=_read_part(), offset=_read_part()),
        kinds.Relu(),
        kinds.Conv2DTranspose(filters=5, kernel=4, stride=2),
        kinds.Multiply(input="noise", layers=(kinds.Dense(units=5), kinds.Sigmoid())),
        kinds.Upsample2D(),
        kinds.Conv2D(filters=1, kernel=3),
        kinds.Tanh(),
    ),
    "discriminator": (
        kinds.Concatenate(planes=True),
        kinds.Conv2D(filters=4, kernel=3, stride=2),
        kinds.LeakyRelu(slope=0.2),
        kinds.Conv2D(filters=6, kernel=3, stride=2),
        kinds.Silu(name="features"),
        kinds.Blend(
            input="layer:features", weight=0.3, layers=(kinds.Conv2D(filters=6, kernel=1),)
        ),
        kinds.GlobalSumPool2D(),
        kinds.Dense(units=1),
        kinds.Add(
            input="layer:features",
            layers=(
                kinds.Slice(start=2, stop=6),
                kinds.GlobalAveragePool2D(),
                kinds.Dense(units=1, bias=False),
            ),
        ),
    ),
}
BIASED: Networks = {
    player.name: tuple(
        replace(layer, running_variance="biased") if isinstance(layer, kinds.BatchNorm) else layer
        for layer in player.layers
    )
    for player in SMALL.players
}
