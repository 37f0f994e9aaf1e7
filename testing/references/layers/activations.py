"""References of activations and dropout."""

from __future__ import annotations

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
    return x.linear(lambda t: np.where(x.a.real > 0, t, layer.slope * t))


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
