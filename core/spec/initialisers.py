"""Initialisers as data, and the NumPy numbers they stand for: every backend starts from identical
bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch
from typing import Annotated, ClassVar

import numpy as np

from gandem.core.spec.fields import KINDS, Checked, Range

__all__ = [
    "INITIALISERS",
    "GlorotNormal",
    "GlorotUniform",
    "Initialiser",
    "KaimingNormal",
    "KaimingUniform",
    "Normal",
    "Ones",
    "Orthogonal",
    "Zeros",
    "draw",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialiser(Checked):
    """How the first value of a parameter is made."""

    kind: ClassVar[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlorotUniform(Initialiser):
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)).  Glorot & Bengio 2010."""

    kind: ClassVar[str] = "glorot_uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlorotNormal(Initialiser):
    """N(0, 2 / (fan_in + fan_out)), not truncated.  Glorot & Bengio 2010."""

    kind: ClassVar[str] = "glorot_normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class KaimingUniform(Initialiser):
    """U(-a, a) with a = sqrt(6 / ((1 + slope²) fan_in)).  He et al. 2015, arXiv:1502.01852.

    ``slope=5**0.5`` gives ±1/sqrt(fan_in), PyTorch's default for weights and biases.
    """

    kind: ClassVar[str] = "kaiming_uniform"
    slope: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KaimingNormal(Initialiser):
    """N(0, 2 / ((1 + slope²) fan_in)).  He et al. 2015, arXiv:1502.01852."""

    kind: ClassVar[str] = "kaiming_normal"
    slope: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal(Initialiser):
    """N(mean, std²); DCGAN uses std 0.02 (Radford et al. 2015, arXiv:1511.06434)."""

    kind: ClassVar[str] = "normal"
    mean: float = 0.0
    std: Annotated[float, Range(0)] = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthogonal(Initialiser):
    """A random (semi-)orthogonal matrix over (everything else, last axis).  Saxe et al. 2013,
    arXiv:1312.6120.
    """

    kind: ClassVar[str] = "orthogonal"
    gain: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros(Initialiser):
    """All zeros."""

    kind: ClassVar[str] = "zeros"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ones(Initialiser):
    """All ones."""

    kind: ClassVar[str] = "ones"


INITIALISERS: dict[str, type[Initialiser]] = {
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

KINDS[Initialiser] = INITIALISERS


@singledispatch
def draw(
    initialiser: Initialiser,
    generator: np.random.Generator,
    shape: tuple[int, ...],
    fan_in: int,
    fan_out: int,
) -> np.ndarray:
    """Return the first value of a parameter.

    Args:
        generator: the parameter's own stream.
        shape: canonical shape of the parameter.
        fan_in: inputs that one output of the layer reads (kernel area × channels in, for both kinds
            of convolution).
        fan_out: outputs that one input reaches.

    Returns:
        float64 array of ``shape``.
    """
    raise TypeError(f"No numbers are known for the initialiser {initialiser!r}.")


@draw.register
def _(
    _: GlorotUniform, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    return g.uniform(-bound, bound, shape)


@draw.register
def _(
    _: GlorotNormal, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    return g.normal(0.0, math.sqrt(2.0 / (fan_in + fan_out)), shape)


@draw.register
def _(
    init: KaimingUniform, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    bound = math.sqrt(6.0 / ((1.0 + init.slope * init.slope) * fan_in))
    return g.uniform(-bound, bound, shape)


@draw.register
def _(
    init: KaimingNormal, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    return g.normal(0.0, math.sqrt(2.0 / ((1.0 + init.slope * init.slope) * fan_in)), shape)


@draw.register
def _(
    init: Normal, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    return g.normal(init.mean, init.std, shape)


@draw.register
def _(
    init: Orthogonal, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    tall = g.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # makes the draw uniform over orthogonal matrices
    return np.ascontiguousarray(init.gain * (q if rows >= columns else q.T)).reshape(shape)


@draw.register
def _(
    _: Zeros, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    return np.zeros(shape)


@draw.register
def _(
    _: Ones, g: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> np.ndarray:
    return np.ones(shape)
