"""The initial values of parameters, drawn with NumPy: every backend starts from identical bytes."""

from __future__ import annotations

import math
from functools import singledispatch

import numpy as np

from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs.initializers import (
    GlorotNormal,
    GlorotUniform,
    Initializer,
    KaimingNormal,
    KaimingUniform,
    Normal,
    Ones,
    Orthogonal,
    Zeros,
)
from gandem.core.specs.shapes.graph import Parameter


def first_value(parameter: Parameter, seed: int) -> np.ndarray:
    """Return the initial value of a parameter, float64, which depends on its name and the seed."""
    generator = stream(seed, Purpose.WEIGHTS, part=part_of(parameter.name))
    value: np.ndarray = draw(
        parameter.initializer, generator, parameter.shape, parameter.fan_in, parameter.fan_out
    )
    return value


@singledispatch
def draw(
    initializer: Initializer,
    generator: np.random.Generator,
    shape: tuple[int, ...],
    fan_in: int,
    fan_out: int,
) -> np.ndarray:
    """Draw the initial value of a parameter.

    Args:
        generator: the parameter's own stream.
        shape: canonical shape of the parameter.
        fan_in: inputs that one output of the layer reads (kernel area × channels in, for both kinds
            of convolution).
        fan_out: outputs that one input reaches.

    Returns:
        float64 array of ``shape``.
    """
    raise TypeError(f"The initializer {initializer!r} has no implementation.")


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
