"""Initializers as data; the numbers are drawn in ``initial_values.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from gandem.core.fields import KINDS, Checked, Range

__all__ = [
    "INITIALIZERS",
    "GlorotNormal",
    "GlorotUniform",
    "Initializer",
    "KaimingNormal",
    "KaimingUniform",
    "Normal",
    "Ones",
    "Orthogonal",
    "Zeros",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Initializer(Checked):
    """The distribution of the initial value of a parameter."""

    kind: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlorotUniform(Initializer):
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010."""

    kind: ClassVar[str] = "glorot_uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlorotNormal(Initializer):
    """N(0, 2 / (fan_in + fan_out)), not truncated. Glorot & Bengio 2010."""

    kind: ClassVar[str] = "glorot_normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class KaimingUniform(Initializer):
    """U(-a, a) with a = sqrt(6 / ((1 + slope²) fan_in)). He et al. 2015, arXiv:1502.01852.

    ``slope=5**0.5`` gives ±1/sqrt(fan_in), PyTorch's default for weights and biases.
    """

    kind: ClassVar[str] = "kaiming_uniform"
    slope: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KaimingNormal(Initializer):
    """N(0, 2 / ((1 + slope²) fan_in)). He et al. 2015, arXiv:1502.01852."""

    kind: ClassVar[str] = "kaiming_normal"
    slope: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal(Initializer):
    """N(mean, std²); DCGAN uses std 0.02 (Radford et al. 2015, arXiv:1511.06434)."""

    kind: ClassVar[str] = "normal"
    mean: float = 0.0
    std: Annotated[float, Range(0)] = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthogonal(Initializer):
    """A random (semi-)orthogonal matrix over (everything else, last axis). Saxe et al. 2013,
    arXiv:1312.6120.
    """

    kind: ClassVar[str] = "orthogonal"
    gain: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros(Initializer):
    """All zeros."""

    kind: ClassVar[str] = "zeros"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ones(Initializer):
    """All ones."""

    kind: ClassVar[str] = "ones"


INITIALIZERS: dict[str, type[Initializer]] = {
    cls.kind: cls
    for cls in (
        GlorotUniform,
        GlorotNormal,
        KaimingUniform,
        KaimingNormal,
        Normal,
        Orthogonal,
        Zeros,
        Ones,
    )
}

KINDS[Initializer] = INITIALIZERS
