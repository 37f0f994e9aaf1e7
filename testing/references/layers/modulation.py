"""References of layers that a vector modulates, and of noise on pixels."""

from __future__ import annotations

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.affine import add_bias, convolve, kernel_of
from gandem.testing.references.layers.base import Network, forward


def _expand(vector: Dual, x: Dual) -> Dual:
    """Give (U, N, C) the axes of an image (U, N, H, W, C)."""
    missing = tuple(range(2, 2 + x.a.ndim - vector.a.ndim))
    return vector.linear(lambda t: np.expand_dims(t, missing))


@forward.register
def _(layer: kinds.Modulate, x: Dual, node: Node, network: Network) -> Dual:
    scale, offset = (_expand(network.read(node, name), x) for name in ("scale", "offset"))
    return x + x * scale + offset


@forward.register
def _(layer: kinds.Multiply, x: Dual, node: Node, network: Network) -> Dual:
    return x * _expand(network.read(node, "layers"), x)


@forward.register
def _(layer: kinds.ModulatedConv2D, x: Dual, node: Node, network: Network) -> Dual:
    style = network.read(node, "layers")  # (U, N, in)
    kernel = kernel_of(layer, node, network)  # (U, kh, kw, in, out)
    images = []
    for i in range(x.a.shape[1]):  # as the paper has it: each sample has its own kernel
        scale = style[:, i].linear(lambda t: t[:, None, None, :, None])
        own = kernel * scale
        if layer.demodulate:
            energy = (own * own).linear(lambda t: t.sum(axis=(1, 2, 3), keepdims=True))
            own = own * energy.elementwise(
                lambda t: 1 / np.sqrt(t + layer.epsilon),
                lambda t: -0.5 / ((t + layer.epsilon) * np.sqrt(t + layer.epsilon)),
            )
        images.append(convolve(layer, x[:, i : i + 1], own))
    y = Dual(*(np.concatenate([getattr(im, part) for im in images], 1) for part in "ab"))
    return add_bias(y, layer, node, network)


@forward.register
def _(layer: kinds.PixelNoise, x: Dual, node: Node, network: Network) -> Dual:
    strength = network.parameter(node, "strength").expand_to(x)
    return x + strength.linear(lambda t: t * network.draws[node.path])
