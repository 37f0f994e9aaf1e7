"""Cases of activations, dense layers and dropout."""

from __future__ import annotations

from gandem.core.specs import (
    Dense,
    Dropout,
    Elu,
    Gelu,
    LeakyRelu,
    Prelu,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from gandem.testing.case_types import Case
from gandem.testing.cases.base import SMALL, image_case, vector_case


def list_elementwise() -> list[Case]:
    """Return activations, dense layers and dropout."""
    activations = (Relu(), LeakyRelu(slope=0.2), LeakyRelu(slope=0.01), Elu(), Elu(alpha=0.5),
                   Silu(), Tanh(), Sigmoid(), Gelu(), Gelu(approximation="tanh"), Selu(),
                   Softplus(), Prelu())  # fmt: skip
    cases = []
    for layer in activations:
        batch = 6 if isinstance(layer, Selu) else 3  # some numbers are small
        number = f" {layer.slope}" if isinstance(layer, LeakyRelu) else ""
        number = f" {layer.alpha}" if isinstance(layer, Elu) else number
        number = f" {layer.approximation}" if isinstance(layer, Gelu) else number
        cases.append(image_case(f"{layer.kind}{number}", layer, shape=SMALL))
        cases.append(vector_case(f"{layer.kind}{number} wide", layer, batch=batch, noise="wide"))
        cases.append(vector_case(f"{layer.kind}{number} at 0", layer, noise="zeros"))
    return [
        *cases,
        vector_case("leaky_relu 0.2, gain 1.5", LeakyRelu(slope=0.2, gain=1.5)),
        vector_case("dense", Dense(units=4)),
        vector_case("dense without bias", Dense(units=3, bias=False)),
        vector_case("dropout 0.5", Dropout(rate=0.5)),
        image_case("dropout 0.3", Dropout(rate=0.3), shape=SMALL),
        vector_case("dropout 0", Dropout(rate=0.0)),
    ]
