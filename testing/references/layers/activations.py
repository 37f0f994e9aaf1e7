"""References of activations and dropout."""

from __future__ import annotations

import math

import numpy as np

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, forward


@forward.register
def _(layer: kinds.Relu, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t * (x.a.real > 0))


@forward.register
def _(layer: kinds.LeakyRelu, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: layer.gain * np.where(x.a.real > 0, t, layer.slope * t))


@forward.register
def _(layer: kinds.Elu, x: Dual, node: Node, network: Network) -> Dual:
    positive = x.a.real > 0
    return x.elementwise(
        lambda t: np.where(positive, t, layer.alpha * (np.exp(t) - 1)),
        lambda t: np.where(positive, 1, layer.alpha * np.exp(t)),
    )


@forward.register
def _(layer: kinds.Tanh, x: Dual, node: Node, network: Network) -> Dual:
    return x.elementwise(np.tanh, lambda t: 1 - np.tanh(t) * np.tanh(t))


@forward.register
def _(layer: kinds.Sigmoid, x: Dual, node: Node, network: Network) -> Dual:
    return x.elementwise(_sigmoid, lambda t: _sigmoid(t) * _sigmoid(-t))


@forward.register
def _(layer: kinds.Silu, x: Dual, node: Node, network: Network) -> Dual:
    return x * x.elementwise(_sigmoid, lambda t: _sigmoid(t) * _sigmoid(-t))


def _sigmoid(t: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-t)))


@forward.register
def _(layer: kinds.Dropout, x: Dual, node: Node, network: Network) -> Dual:
    keep = network.draws[node.path] / (1 - dropout_levels(layer.rate) / 256)
    return x.linear(lambda t: t * keep)


@forward.register
def _(layer: kinds.Selu, x: Dual, node: Node, network: Network) -> Dual:
    positive = x.a.real > 0
    return x.elementwise(
        lambda t: layer.scale * np.where(positive, t, layer.alpha * (np.exp(t) - 1)),
        lambda t: layer.scale * np.where(positive, 1, layer.alpha * np.exp(t)),
    )


@forward.register
def _(layer: kinds.Softplus, x: Dual, node: Node, network: Network) -> Dual:
    return x.elementwise(lambda t: np.log(1 + np.exp(t)), _sigmoid)


@forward.register
def _(layer: kinds.Prelu, x: Dual, node: Node, network: Network) -> Dual:
    positive = x.a.real > 0
    below = x.linear(lambda t: np.where(positive, 0, t))
    above = x.linear(lambda t: np.where(positive, t, 0))
    return above + below * network.parameter(node, "slope").expand_to(x)


@forward.register
def _(layer: kinds.Gelu, x: Dual, node: Node, network: Network) -> Dual:
    if layer.approximation == "tanh":
        share, slope = _tanh_share, _tanh_share_slope
    else:
        share, slope = _normal_share, _normal_density
    return x * x.elementwise(share, slope)


def _tanh_share(t: np.ndarray) -> np.ndarray:
    return np.asarray((1 + np.tanh(math.sqrt(2 / math.pi) * (t + 0.044715 * t * t * t))) / 2)


def _tanh_share_slope(t: np.ndarray) -> np.ndarray:
    inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * t * t)
    tanh = 2 * _tanh_share(t) - 1
    return np.asarray((1 - tanh * tanh) * inner / 2)


def _normal_share(t: np.ndarray) -> np.ndarray:
    """Return Φ(t): ½ + φ(t)·Σ t²ⁿ⁺¹/(1·3·…·(2n + 1)) near 0, Laplace's continued fraction
    φ(t)/(t + 1/(t + 2/(t + 3/(t + …)))) of 1 - Φ(t) elsewhere.
    """
    is_near, sign = np.abs(t.real) < 2.5, np.where(t.real > 0, 1, -1)
    near, far = np.where(is_near, t, 0), np.where(is_near, 2.5, t * sign)
    term, total, fraction = near, near, far
    for n in range(3, 121, 2):
        term = term * near * near / n
        total = total + term
    for n in range(100, 0, -1):
        fraction = far + n / fraction
    tail = _normal_density(far) / fraction
    above = np.where(t.real > 0, 1 - tail, tail)
    return np.where(is_near, 0.5 + total * _normal_density(near), above)


def _normal_density(t: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-t * t / 2) / math.sqrt(2 * math.pi))
