"""References of layers that contain layers or read other inputs."""

from __future__ import annotations

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, concatenate, forward


@forward.register
def _(layer: kinds.Concatenate, x: Dual, node: Node, network: Network) -> Dual:
    other = network.read(node, "layers")
    if layer.planes:
        pixels = (*x.a.shape[:-1], other.a.shape[-1])
        other = other.linear(lambda t: np.broadcast_to(t[:, :, None, None], pixels))
    return concatenate([x, other])


@forward.register
def _(layer: kinds.Add, x: Dual, node: Node, network: Network) -> Dual:
    return x + network.read(node, "layers")


@forward.register
def _(layer: kinds.Dot, x: Dual, node: Node, network: Network) -> Dual:
    products = x * network.read(node, "layers")
    return products.linear(lambda t: t.sum(axis=-1, keepdims=True))


@forward.register
def _(layer: kinds.Read, x: Dual, node: Node, network: Network) -> Dual:
    return network.values[node.reads]


@forward.register
def _(layer: kinds.Residual, x: Dual, node: Node, network: Network) -> Dual:
    return network.run(node.branches["layers"], x) + network.run(node.branches["shortcut"], x)


@forward.register
def _(layer: kinds.Blend, x: Dual, node: Node, network: Network) -> Dual:
    other = network.read(node, "layers")
    return x.linear(lambda t: layer.weight * t) + other.linear(lambda t: (1 - layer.weight) * t)


@forward.register
def _(layer: kinds.Head, x: Dual, node: Node, network: Network) -> Dual:
    return network.run(node.branches["layers"], x)
