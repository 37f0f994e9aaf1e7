"""References of normalization."""

from __future__ import annotations

import math

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, concatenate, forward


def normalize(x: Dual, axes: tuple[int, ...], epsilon: float) -> tuple[Dual, Dual, Dual]:
    """Return (x - mean)/√(variance + epsilon), the mean, and the biased variance."""
    mean = x.linear(lambda t: t.mean(axes, keepdims=True))
    distance = x - mean
    variance = (distance * distance).linear(lambda t: t.mean(axes, keepdims=True))
    return distance * _inverse_root(variance, epsilon), mean, variance


def _inverse_root(variance: Dual, epsilon: float) -> Dual:
    return variance.elementwise(
        lambda v: 1 / np.sqrt(v + epsilon), lambda v: -0.5 / ((v + epsilon) * np.sqrt(v + epsilon))
    )


def scale_and_offset(x: Dual, node: Node, network: Network) -> Dual:
    """Return scale·x + offset, with the parameters of a norm, or x if it has none."""
    if not node.parameters:
        return x
    scale, offset = network.parameter(node, "scale"), network.parameter(node, "offset")
    return x * scale.expand_to(x) + offset.expand_to(x)


@forward.register
def _(layer: kinds.BatchNorm, x: Dual, node: Node, network: Network) -> Dual:
    normal, mean, variance = normalize(x, tuple(range(1, x.a.ndim - 1)), layer.epsilon)
    n = math.prod(x.a.shape[1:-1])
    spread = variance.a if layer.running_variance == "biased" else variance.a * n / (n - 1)
    for name, batch in (("mean", mean.a), ("variance", spread)):
        old = network.statistics[f"{node.path}/{name}"]
        new = layer.decay * old + (1 - layer.decay) * batch[0].real.reshape(-1)
        network.updated[f"{node.path}/{name}"] = new
    return scale_and_offset(normal, node, network)


@forward.register
def _(layer: kinds.LayerNorm, x: Dual, node: Node, network: Network) -> Dual:
    axes = tuple(range(2, x.a.ndim)) if layer.over == "all" else (-1,)
    return scale_and_offset(normalize(x, axes, layer.epsilon)[0], node, network)


@forward.register
def _(layer: kinds.GroupNorm, x: Dual, node: Node, network: Network) -> Dual:
    groups = x.linear(lambda t: t.reshape(*t.shape[:-1], layer.groups, -1))
    axes = (*range(2, x.a.ndim - 1), x.a.ndim)  # pixels, and the channels of a group
    normal = normalize(groups, axes, layer.epsilon)[0].linear(lambda t: t.reshape(x.a.shape))
    return scale_and_offset(normal, node, network)


@forward.register
def _(layer: kinds.InstanceNorm, x: Dual, node: Node, network: Network) -> Dual:
    return scale_and_offset(normalize(x, (2, 3), layer.epsilon)[0], node, network)


@forward.register
def _(layer: kinds.PixelNorm, x: Dual, node: Node, network: Network) -> Dual:
    squares = (x * x).linear(lambda t: t.mean(-1, keepdims=True))
    return x * _inverse_root(squares, layer.epsilon)


@forward.register
def _(layer: kinds.MinibatchStddev, x: Dual, node: Node, network: Network) -> Dual:
    units, count, *pixels, channels = x.a.shape
    size = max(n for n in range(1, layer.group_size + 1) if count % n == 0)
    parts = (layer.features, channels // layer.features)
    grouped = x.linear(lambda t: t.reshape(units, size, count // size, *pixels, *parts))
    distance = grouped - grouped.linear(lambda t: t.mean(1, keepdims=True))
    variance = (distance * distance).linear(lambda t: t.mean(1))  # (U, M, H, W, features, …)
    deviation = variance.elementwise(
        lambda v: np.sqrt(v + layer.epsilon), lambda v: 0.5 / np.sqrt(v + layer.epsilon)
    )
    mean = deviation.linear(lambda t: t.mean((2, 3, 5)))  # (U, M, features)
    shape = (units, count, *pixels, layer.features)
    appended = mean.linear(
        lambda t: np.broadcast_to(np.tile(t, (1, size, 1))[:, :, None, None], shape)
    )
    return concatenate([x, appended])
