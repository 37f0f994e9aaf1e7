"""Cases of layers that contain layers, and of short networks."""

from __future__ import annotations

from gandem.core.specs import (
    Add,
    AveragePool2D,
    BatchNorm,
    Blend,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Elu,
    Embedding,
    Flatten,
    GlobalMaxPool2D,
    GroupNorm,
    Head,
    InstanceNorm,
    LayerNorm,
    LeakyRelu,
    MaxPool2D,
    Read,
    Relu,
    Reshape,
    Residual,
    Sigmoid,
    Silu,
    Tanh,
    Upsample2D,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import (
    IMAGE,
    LABEL,
    SMALL,
    VECTOR,
    image_case,
    labeled_case,
    vector_case,
)


def list_composites() -> list[Case]:
    """Return layers that contain layers or read a label."""
    conv, silu = Conv2D(filters=2, kernel=3), Silu()
    inner = (Embedding(units=3), Dense(units=2), Tanh())
    plane = (Dense(units=12), Reshape(shape=(3, 4, 1)), Sigmoid())
    return [
        Case(name="embedding", layers=(Embedding(units=3),), inputs={"label": LABEL}, batch=3,
             special={"label": "one hot"}),
        Case(name="embedding of soft labels", layers=(Embedding(units=3), Tanh()),
             inputs={"label": LABEL}, batch=3),
        labeled_case("concatenate label", "noise", VECTOR, Concatenate(), Dense(units=2), Tanh()),
        labeled_case("concatenate layers", "noise", VECTOR, Concatenate(layers=inner),
                  Dense(units=2), Tanh(), label=None),
        labeled_case("concatenate planes", "image", SMALL, Concatenate(planes=True), conv, silu),
        labeled_case("concatenate planes of layers", "image", SMALL,
                  Concatenate(planes=True, layers=inner), conv, silu, label=None),
        labeled_case("concatenate a drawn plane", "image", SMALL, Concatenate(layers=plane), conv,
                  silu),
        labeled_case("label read twice", "noise", VECTOR, Concatenate(), Dense(units=3), Tanh(),
                  Concatenate(name="again"), Dense(units=2), Sigmoid(), label=None),
        Case(name="concatenate images", inputs={"image": SMALL, "other": (3, 4, 1)},
             layers=(Concatenate(input="other", layers=(Conv2D(filters=2, kernel=2), Tanh())), conv,
                     silu)),
        image_case("read an earlier layer", Conv2D(name="stem", filters=3, kernel=2), Tanh(),
                   Conv2D(name="side", filters=2, kernel=3), Read(input="layer:stem"), silu, conv,
                   Add(input="layer:side"), shape=SMALL),
        Case(name="blend", inputs={"image": SMALL, "other": (3, 4, 1)},
             layers=(silu, Blend(input="other", weight=0.3, layers=(conv, Tanh())), silu)),
        image_case("head", Head(resolution=3, layers=(conv, silu)), Conv2D(filters=1, kernel=2),
                   shape=SMALL),
        image_case("residual", Residual(layers=(silu, conv)), shape=SMALL),
        image_case("residual with shortcut", Residual(
            layers=(conv, Tanh(), Conv2D(filters=3, kernel=3, stride=2)),
            shortcut=(AveragePool2D(padding="same"), Conv2D(filters=3, kernel=1))), shape=SMALL),
        vector_case("residual nested", Residual(layers=(
            Dense(units=5, bias=False), BatchNorm(), Residual(name="inner", layers=(
                Silu(), Dropout(rate=0.25), Dense(units=5)), shortcut=(Dense(units=5),)), Tanh()))),
    ]  # fmt: skip


def list_chains() -> list[Case]:
    """Return short networks: frameworks differ in second derivatives through norms."""
    leaky, silu = LeakyRelu(slope=0.2), Silu()
    bare = Conv2D(filters=3, kernel=4, stride=2, bias=False)
    end = Conv2D(filters=2, kernel=2)
    head = (Flatten(), Dense(units=1))
    return [
        image_case("chain batch_norm", bare, BatchNorm(), leaky, end),
        image_case("chain layer_norm", bare, LayerNorm(), leaky, end),
        image_case("chain layer_norm channels", bare, LayerNorm(over="channels"), silu, end),
        image_case("chain group_norm", Conv2D(filters=4, kernel=3, stride=2), GroupNorm(groups=2),
               silu, *head),
        image_case("chain instance_norm", bare, InstanceNorm(), Elu(), *head),
        image_case("chain pools", Conv2D(name="stem", filters=2, kernel=3), Tanh(), MaxPool2D(),
               AveragePool2D(size=2, stride=1, padding="same"), silu, GlobalMaxPool2D(),
               Dense(units=1)),
        vector_case("chain dense", Dense(units=4, bias=False), BatchNorm(), Relu(), Dense(units=4),
                silu, Dropout(rate=0.4), Dense(units=1)),
        vector_case("chain generator", Dense(units=12, bias=False), BatchNorm(), leaky,
                Reshape(shape=(2, 3, 2)),
                Conv2DTranspose(filters=2, kernel=5, stride=2, bias=False), BatchNorm(), Relu(),
                Conv2DTranspose(filters=1, kernel=4, stride=2), Tanh()),
        labeled_case("chain conditional generator", "noise", (3,), Concatenate(layers=(
            Embedding(units=2),)), Dense(units=12), Reshape(shape=(3, 4, 1)), silu,
            Upsample2D(method="bilinear"), Conv2D(filters=2, kernel=3), Sigmoid()),
        labeled_case("chain conditional discriminator", "image", IMAGE,
                  Concatenate(planes=True, layers=(Embedding(units=1),)),
                  Conv2D(filters=2, kernel=4, stride=2), leaky, Dropout(rate=0.3), Flatten(),
                  Dense(units=3), silu, Dense(units=1), label=None),
    ]  # fmt: skip
