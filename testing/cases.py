"""The P1 cases as data: small networks, losses and optimizers, one case per setting.

Most images are 7 × 8: one odd size and one even, not square.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gandem.core.plugins.entry import entries
from gandem.core.specs import (
    SGD,
    Adam,
    AdamW,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Elu,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyRelu,
    Loss,
    MaxPool2D,
    Relu,
    Reshape,
    Residual,
    RMSprop,
    Shape,
    Sigmoid,
    Silu,
    Tanh,
    Upsample2D,
)
from gandem.core.training import is_paired, load_loss
from gandem.testing.case_types import (
    Case,
    LossCase,
    OptimizerCase,
    Role,
    Special,
    hashed_numbers,
)

__all__ = ["CASES", "LOSSES", "OPTIMIZERS"]

IMAGE = (7, 8, 2)
SMALL = (3, 4, 2)
VECTOR = (5,)
LABEL = (4,)


def _image(name: str, *layers: Layer, shape: Shape = IMAGE, **special: Special) -> Case:
    return Case(name=name, layers=layers, inputs={"image": shape}, special=special)


def _vector(name: str, *layers: Layer, batch: int = 3, **special: Special) -> Case:
    return Case(name=name, layers=layers, inputs={"noise": VECTOR}, batch=batch, special=special)


def _labeled(
    name: str, first: str, shape: Shape, *layers: Layer, label: Special | None = "one hot"
) -> Case:
    special: dict[str, Special] = {} if label is None else {"label": label}
    inputs = {first: shape, "label": LABEL}
    return Case(name=name, layers=layers, inputs=inputs, special=special)


def _convolutions() -> list[Case]:
    cases = []
    for k in (1, 2, 3, 4, 5, 7):
        for s in (1, 2, 3):
            for padding in ("same", "valid"):
                filters = 1 if k == 7 else 3
                layer = Conv2D(filters=filters, kernel=k, stride=s, padding=padding, bias=k < 4)
                cases.append(_image(f"conv2d k{k} s{s} {padding}", layer))
                crop = Conv2DTranspose(filters=3, kernel=k, stride=s, padding=padding, bias=k < 4)
                cases.append(_image(f"conv2d_transpose k{k} s{s} {padding}", crop, shape=SMALL))
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
        cases.append(_image(f"conv2d k{kernel} s{stride} {pads}", layer))
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
        cases.append(_image(f"conv2d_transpose k{kernel} s{stride} {pads}", crop, shape=SMALL))
    for k, s in ((3, 2), (4, 2)):
        crop = Conv2DTranspose(filters=1, kernel=(k, k), stride=(s, s))
        cases.append(_image(f"conv2d_transpose k{k} s{s} same on 7 x 8", crop))
    for kernel, stride in (((3, 2), (1, 2)), ((2, 5), (3, 1))):
        layer = Conv2D(filters=2, kernel=kernel, stride=stride)
        crop = Conv2DTranspose(filters=2, kernel=kernel, stride=stride)
        cases.append(_image(f"conv2d k{kernel} s{stride} same", layer))
        cases.append(_image(f"conv2d_transpose k{kernel} s{stride} same", crop, shape=SMALL))
    wide: tuple[Any, ...] = ("same", "valid", ((2, 1), (0, 2)))
    for pads in wide:  # frameworks have kernels of their own for few channels
        layer = Conv2D(filters=2, kernel=4, stride=2, padding=pads)
        crop = Conv2DTranspose(filters=6, kernel=4, stride=2, padding=pads)
        cases.append(_image(f"conv2d of 6 channels k4 s2 {pads}", layer, shape=(5, 6, 6)))
        cases.append(_image(f"conv2d_transpose to 6 channels k4 s2 {pads}", crop, shape=(3, 4, 2)))
    return cases


def _resizes() -> list[Case]:
    cases = []
    for factor in ((2, 2), (3, 3), (1, 2)):
        for method in ("nearest", "bilinear"):
            layer = Upsample2D(factor=factor, method=method)
            cases.append(_image(f"upsample2d {method} {factor}", layer, shape=SMALL))
    for pool in (MaxPool2D, AveragePool2D):
        for size, stride in ((2, 2), (3, 1), (3, 2), (2, 3), ((1, 3), (2, 2)), ((4, 3), (1, 3))):
            for padding in ("valid", "same"):
                pooled = pool(size=size, stride=stride, padding=padding)
                cases.append(_image(f"{pooled.kind} {size} s{stride} {padding}", pooled))
    return [
        *cases,
        _image("max_pool2d ties", MaxPool2D(size=3, stride=2, padding="same"), image="ties"),
        _image("global_max_pool2d", GlobalMaxPool2D()),
        _image("global_max_pool2d ties", GlobalMaxPool2D(), image="ties"),
        _image("global_average_pool2d", GlobalAveragePool2D()),
        _image("flatten", Flatten(), Dense(units=2), shape=SMALL),
        _image("reshape to a vector", Reshape(shape=(24,)), Dense(units=2), shape=SMALL),
        _image("reshape to an image", Reshape(shape=(2, 3, 4)), Conv2D(filters=2, kernel=2),
               shape=SMALL),
        _vector("reshape a vector", Dense(units=12), Reshape(shape=(2, 3, 2)),
                Conv2D(filters=2, kernel=2)),
    ]  # fmt: skip


def _norms() -> list[Case]:
    silu = Silu()
    return [
        _vector("batch_norm vector", BatchNorm()),
        _vector("batch_norm vector of 2 rows", BatchNorm(epsilon=1e-3, decay=0.99), batch=2),
        _vector("batch_norm vector, biased running variance",
                BatchNorm(running_variance="biased")),
        _image("batch_norm image, biased running variance",
               BatchNorm(decay=0.99, running_variance="biased")),
        _image("batch_norm image", BatchNorm(decay=0.8)),
        _image("batch_norm dead channel", BatchNorm(epsilon=1e-3), image="dead channel"),
        _vector("batch_norm twice", BatchNorm(), silu, Dense(units=4, bias=False),
                BatchNorm(decay=0.0)),
        _vector("layer_norm vector all", LayerNorm()),
        _vector("layer_norm vector channels", LayerNorm(over="channels", epsilon=1e-3)),
        _image("layer_norm image all", LayerNorm(epsilon=1e-3), shape=(3, 4, 3)),
        _image("layer_norm image channels", LayerNorm(over="channels"), shape=(3, 4, 3)),
        _image("group_norm of 1", GroupNorm(groups=1), shape=(3, 4, 4)),
        _image("group_norm of 2", GroupNorm(groups=2, epsilon=1e-3), shape=(3, 4, 6)),
        _image("group_norm of all", GroupNorm(groups=4), shape=(3, 4, 4)),
        _vector("group_norm vector", Dense(units=6), GroupNorm(groups=2)),
        _image("instance_norm", InstanceNorm(), shape=(3, 4, 3)),
        _image("instance_norm dead channel", InstanceNorm(epsilon=1e-3), image="dead channel"),
    ]  # fmt: skip


def _elementwise() -> list[Case]:
    activations = (Relu(), LeakyRelu(slope=0.2), LeakyRelu(slope=0.01), Elu(), Elu(alpha=0.5),
                   Silu(), Tanh(), Sigmoid())  # fmt: skip
    cases = []
    for layer in activations:
        number = f" {layer.slope}" if isinstance(layer, LeakyRelu) else ""
        number = f" {layer.alpha}" if isinstance(layer, Elu) else number
        cases.append(_image(f"{layer.kind}{number}", layer, shape=SMALL))
        cases.append(_vector(f"{layer.kind}{number} wide", layer, noise="wide"))
        cases.append(_vector(f"{layer.kind}{number} at 0", layer, noise="zeros"))
    return [
        *cases,
        _vector("dense", Dense(units=4)),
        _vector("dense without bias", Dense(units=3, bias=False)),
        _vector("dropout 0.5", Dropout(rate=0.5)),
        _image("dropout 0.3", Dropout(rate=0.3), shape=SMALL),
        _vector("dropout 0", Dropout(rate=0.0)),
    ]


def _composites() -> list[Case]:
    conv, silu = Conv2D(filters=2, kernel=3), Silu()
    inner = (Embedding(units=3), Dense(units=2), Tanh())
    plane = (Dense(units=12), Reshape(shape=(3, 4, 1)), Sigmoid())
    return [
        Case(name="embedding", layers=(Embedding(units=3),), inputs={"label": LABEL}, batch=3,
             special={"label": "one hot"}),
        Case(name="embedding of soft labels", layers=(Embedding(units=3), Tanh()),
             inputs={"label": LABEL}, batch=3),
        _labeled("concatenate label", "noise", VECTOR, Concatenate(), Dense(units=2), Tanh()),
        _labeled("concatenate layers", "noise", VECTOR, Concatenate(layers=inner), Dense(units=2),
                  Tanh(), label=None),
        _labeled("concatenate planes", "image", SMALL, Concatenate(planes=True), conv, silu),
        _labeled("concatenate planes of layers", "image", SMALL,
                  Concatenate(planes=True, layers=inner), conv, silu, label=None),
        _labeled("concatenate a drawn plane", "image", SMALL, Concatenate(layers=plane), conv,
                  silu),
        _labeled("label read twice", "noise", VECTOR, Concatenate(), Dense(units=3), Tanh(),
                  Concatenate(name="again"), Dense(units=2), Sigmoid(), label=None),
        Case(name="concatenate images", inputs={"image": SMALL, "other": (3, 4, 1)},
             layers=(Concatenate(input="other", layers=(Conv2D(filters=2, kernel=2), Tanh())), conv,
                     silu)),
        _image("residual", Residual(layers=(silu, conv)), shape=SMALL),
        _image("residual with shortcut", Residual(
            layers=(conv, Tanh(), Conv2D(filters=3, kernel=3, stride=2)),
            shortcut=(AveragePool2D(padding="same"), Conv2D(filters=3, kernel=1))), shape=SMALL),
        _vector("residual nested", Residual(layers=(
            Dense(units=5, bias=False), BatchNorm(), Residual(name="inner", layers=(
                Silu(), Dropout(rate=0.25), Dense(units=5)), shortcut=(Dense(units=5),)), Tanh()))),
    ]  # fmt: skip


def _chains() -> list[Case]:
    """Return short networks: frameworks differ in second derivatives through norms."""
    leaky, silu = LeakyRelu(slope=0.2), Silu()
    bare = Conv2D(filters=3, kernel=4, stride=2, bias=False)
    end = Conv2D(filters=2, kernel=2)
    head = (Flatten(), Dense(units=1))
    return [
        _image("chain batch_norm", bare, BatchNorm(), leaky, end),
        _image("chain layer_norm", bare, LayerNorm(), leaky, end),
        _image("chain layer_norm channels", bare, LayerNorm(over="channels"), silu, end),
        _image("chain group_norm", Conv2D(filters=4, kernel=3, stride=2), GroupNorm(groups=2), silu,
               *head),
        _image("chain instance_norm", bare, InstanceNorm(), Elu(), *head),
        _image("chain pools", Conv2D(name="stem", filters=2, kernel=3), Tanh(), MaxPool2D(),
               AveragePool2D(size=2, stride=1, padding="same"), silu, GlobalMaxPool2D(),
               Dense(units=1)),
        _vector("chain dense", Dense(units=4, bias=False), BatchNorm(), Relu(), Dense(units=4),
                silu, Dropout(rate=0.4), Dense(units=1)),
        _vector("chain generator", Dense(units=12, bias=False), BatchNorm(), leaky,
                Reshape(shape=(2, 3, 2)),
                Conv2DTranspose(filters=2, kernel=5, stride=2, bias=False), BatchNorm(), Relu(),
                Conv2DTranspose(filters=1, kernel=4, stride=2), Tanh()),
        _labeled("chain conditional generator", "noise", (3,), Concatenate(layers=(
            Embedding(units=2),)), Dense(units=12), Reshape(shape=(3, 4, 1)), silu,
            Upsample2D(method="bilinear"), Conv2D(filters=2, kernel=3), Sigmoid()),
        _labeled("chain conditional discriminator", "image", IMAGE,
                  Concatenate(planes=True, layers=(Embedding(units=1),)),
                  Conv2D(filters=2, kernel=4, stride=2), leaky, Dropout(rate=0.3), Flatten(),
                  Dense(units=3), silu, Dense(units=1), label=None),
    ]  # fmt: skip


def _spectral() -> list[Case]:
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
        _vector("spectral norm dense", dense(4)),
        _vector("spectral norm dense without bias", dense(3, bias=False)),
        _vector("spectral norm dense wider than its input", dense(7), Tanh()),
        _vector("spectral norm dense to one number", dense(1), Tanh()),
        _image("spectral norm conv2d k3", conv(3, 3), shape=SMALL),
        _image("spectral norm conv2d k4 s2", conv(3, 4, 2, bias=False), silu),
        _image("spectral norm conv2d k(2, 5) s(3, 1)", conv(2, (2, 5), (3, 1), padding=pads),
               silu),
        _image("spectral norm conv2d_transpose k3 s2", up(3, 3, 2), shape=SMALL),
        _image("spectral norm conv2d_transpose k4 s2", up(3, 4, 2, bias=False), Tanh(),
               shape=SMALL),
        _image("spectral norm conv2d_transpose k(3, 2) s(1, 2)",
               up(3, (3, 2), (1, 2), padding=((1, 1), (0, -1))), silu, shape=SMALL),
        _image("spectral norm residual", Residual(layers=(conv(2, 3), silu, conv(3, (1, 2))),
                                                  shortcut=(conv(3, 1),)), shape=SMALL),
        _image("spectral norm discriminator", conv(2, 4, 2), LeakyRelu(slope=0.1), Flatten(),
               dense(3), silu, dense(1)),
        _vector("spectral norm generator", dense(12), Relu(), Reshape(shape=(2, 3, 2)),
                up(3, 4, 2, bias=False), BatchNorm(), silu, conv(1, 3), Tanh()),
    ]  # fmt: skip


def _losses() -> list[LossCase]:
    column = np.array([[18.0], [19.5], [20.5], [22.0], [25.0], [30.0]])
    logits = {
        "near 0": np.concatenate([3 * hashed_numbers("logits", (7, 1)), [[0.0], [1.0], [-1.0]]]),
        "around 20": np.concatenate([column, -column[1:]]),
        "at 100": np.array([[100.0], [-100.0], [100.0]]),
        "at 700": np.array([[700.0], [-700.0], [0.0], [-700.0]]),
    }
    losses = [load_loss(Loss(name=entry.id)) for entry in entries("gandem")["losses"]]
    pairs: tuple[tuple[str, Role], ...] = (
        ("pair", "pair"),
        ("pair of the generator", "pair_generator"),
    )
    halves: tuple[tuple[str, Role, float], ...] = (
        ("real", "real", 1.0),
        ("real 0.9", "real", 0.9),
        ("fake", "fake", 0.0),
        ("generator", "generator", 1.0),
    )
    return [
        LossCase(
            name=f"{type(loss).__name__} {size} {half}",
            loss=loss,
            role=role,
            target=target,
            arrays={"logits": values},
        )
        for loss in losses
        if not is_paired(loss)
        for size, values in logits.items()
        for half, role, target in halves
        if loss.smoothable or target != 0.9
    ] + [
        LossCase(
            name=f"{type(loss).__name__} {size} {half}",
            loss=loss,
            role=role,
            target=1.0,
            arrays={"real": values, "fake": np.roll(values, 2)},
        )
        for loss in losses
        if is_paired(loss)
        for size, values in logits.items()
        for half, role in pairs
    ]


CASES = (
    *_convolutions(),
    *_resizes(),
    *_norms(),
    *_elementwise(),
    *_composites(),
    *_chains(),
    *_spectral(),
)
LOSSES = tuple(_losses())
OPTIMIZERS = tuple(
    OptimizerCase(name=name, optimizer=optimizer)
    for name, optimizer in {
        "adam": Adam(learning_rate=1e-3),
        "adam of DCGAN": Adam(learning_rate=2e-4, beta1=0.5),
        "adam without momentum": Adam(learning_rate=1e-2, beta1=0.0, beta2=0.9, epsilon=1e-7),
        "adam with weight decay": Adam(learning_rate=1e-2, weight_decay=0.1),
        "adam, epsilon beside the uncorrected root": Adam(
            learning_rate=1e-3, epsilon=1e-7, epsilon_placement="uncorrected"
        ),
        "adamw": AdamW(learning_rate=1e-2),
        "adamw with weight decay": AdamW(learning_rate=0.1, beta1=0.5, weight_decay=0.5),
        "adamw without weight decay": AdamW(learning_rate=1e-3, weight_decay=0.0),
        "adamw, epsilon beside the uncorrected root": AdamW(
            learning_rate=1e-2, beta1=0.5, epsilon=1e-6, epsilon_placement="uncorrected"
        ),
        "rmsprop": RMSprop(learning_rate=5e-5),
        "rmsprop of another decay": RMSprop(learning_rate=1e-2, decay=0.99, epsilon=1e-6),
        "rmsprop with weight decay": RMSprop(learning_rate=1e-2, weight_decay=0.1),
        "sgd": SGD(learning_rate=0.1),
        "sgd with momentum": SGD(learning_rate=0.1, momentum=0.9),
        "sgd with weight decay": SGD(learning_rate=0.1, weight_decay=0.1),
        "sgd with both": SGD(learning_rate=1e-2, momentum=0.5, weight_decay=1.0),
        "sgd at rest": SGD(learning_rate=0.0, momentum=0.9),
    }.items()
)
