"""Cases of layers that read earlier layers by name."""

from __future__ import annotations

from gandem.core.specs import (
    Add,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dot,
    Dropout,
    Embedding,
    Flatten,
    MaxPool2D,
    Relu,
    Residual,
    Silu,
    Tanh,
    Upsample2D,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import LABEL, SMALL, VECTOR, image_case, labeled_case, vector_case


def list_references() -> list[Case]:
    """Return networks whose layers read other layers: skip connections, heads, projections."""
    silu = Silu()

    def conv(filters: int, name: str | None = None, bias: bool = True) -> Conv2D:
        return Conv2D(filters=filters, kernel=3, bias=bias, name=name)

    return [
        image_case("add an earlier layer", conv(2, "stem"), silu, conv(2), Add(input="layer:stem"),
                   shape=SMALL),
        # frameworks may overwrite the output of a layer that nobody else reads
        image_case("add a layer before a relu", conv(2, "stem"), Relu(), conv(2), Tanh(),
                   Add(input="layer:stem"), silu, shape=SMALL),
        image_case("add layers of an earlier layer", conv(2, "stem"), silu,
                   Conv2D(filters=3, kernel=3, stride=2),
                   Add(input="layer:stem", layers=(silu, Conv2D(filters=3, kernel=1, stride=2))),
                   silu, shape=SMALL),
        image_case("skip connections of a u-net", conv(2, "fine"), silu, MaxPool2D(),
                   conv(3, "coarse"), Tanh(), conv(3), Concatenate(input="layer:coarse"), silu,
                   Upsample2D(), Concatenate(input="layer:fine"), conv(1), shape=(4, 4, 2)),
        image_case("a layer read before a norm", conv(2, "stem"), BatchNorm(), Relu(),
                   Add(input="layer:stem"), shape=SMALL),
        image_case("a layer read inside a block, and the block's read after it", conv(2, "stem"),
                   Residual(name="block", layers=(silu, conv(2, "inner"),
                                                  Add(input="layer:stem")),
                            shortcut=(Add(input="layer:block/inner"),)),
                   Concatenate(input="layer:block/inner"), silu, conv(1), shape=SMALL),
        image_case("two blocks that read layers of their own", *(
            Residual(layers=(conv(2, "stem"), silu, conv(2), Add(input="layer:stem")))
            for _ in range(2)), shape=(3, 3, 2)),
        vector_case("two heads", Dense(units=4, name="trunk"), silu, Dense(units=1),
                    Concatenate(input="layer:trunk", layers=(Dropout(rate=0.3), Dense(units=3)))),
        vector_case("one layer read three times", Dense(units=3, name="a"), Tanh(name="b"),
                    Add(input="layer:a"), Add(input="layer:b"), Add(input="layer:a"), silu),
        labeled_case("dot with a label", "noise", VECTOR, Dense(units=3), Tanh(),
                     Dot(layers=(Embedding(units=3),))),
        Case(name="dot of two inputs", layers=(Dot(input="other"), silu),
             inputs={"noise": VECTOR, "other": VECTOR}),
        labeled_case("spectral norm projection", "image", SMALL, conv(2), silu,
                     Flatten(name="features"), Dense(units=1, spectral_norm=True),
                     Add(input="layer:features", layers=(
                         Dot(layers=(Dense(units=24, bias=False, spectral_norm=True),)),))),
        Case(name="projection of a soft label", inputs={"noise": VECTOR, "label": LABEL},
             layers=(Dense(units=4, name="features"), Dense(units=1), Add(input="layer:features",
                     layers=(silu, Dot(layers=(Embedding(units=4),)))))),
    ]  # fmt: skip
