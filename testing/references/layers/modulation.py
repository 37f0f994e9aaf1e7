"""References of layers that a vector modulates, of style vectors, and of noise on pixels."""

from __future__ import annotations

from functools import partial

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.affine import (
    add_bias,
    convolve,
    convolve_transposed,
    kernel_of,
)
from gandem.testing.references.layers.base import Network, concatenate, forward


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


@forward.register(kinds.ModulatedConv2D)
@forward.register(kinds.ModulatedConv2DTranspose)
def _(
    layer: kinds.ModulatedConv2D | kinds.ModulatedConv2DTranspose,
    x: Dual,
    node: Node,
    network: Network,
) -> Dual:
    is_transposed = isinstance(layer, kinds.Conv2DTranspose)
    inputs = (1, 2, 4 if is_transposed else 3)  # axes of the kernel: rows, columns, channels
    style = network.read(node, "layers")  # (U, N, in)
    kernel = kernel_of(layer, node, network)  # (U, kh, kw, in, out), or with the last two swapped
    images = []
    for i in range(x.a.shape[1]):  # as the paper has it: each sample has its own kernel
        axes = (1, 2, 3) if is_transposed else (1, 2, 4)
        scale = style[:, i].linear(partial(np.expand_dims, axis=axes))
        own = kernel * scale
        if layer.demodulate:
            energy = (own * own).linear(lambda t: t.sum(axis=inputs, keepdims=True))
            own = own * energy.elementwise(
                lambda t: 1 / np.sqrt(t + layer.epsilon),
                lambda t: -0.5 / ((t + layer.epsilon) * np.sqrt(t + layer.epsilon)),
            )
        image = x[:, i : i + 1]
        if isinstance(layer, kinds.Conv2DTranspose):
            images.append(convolve_transposed(layer, image, own))
        else:
            images.append(convolve(layer, image, own))
    y = Dual(*(np.concatenate([getattr(im, part) for im in images], 1) for part in "ab"))
    return add_bias(y, layer, node, network)


@forward.register
def _(layer: kinds.Styles, x: Dual, node: Node, network: Network) -> Dual:
    style, nodes = network.run(node.branches["layers"], x), node.branches["layers"]  # (U, N, D)
    old, mean = network.statistics[f"{node.path}/mean"], style.a[0].real.mean(0)
    network.updated[f"{node.path}/mean"] = layer.decay * old + (1 - layer.decay) * mean
    if not layer.mixing:
        return concatenate([style] * layer.count)
    drawn = network.draws[node.path]  # (N, size + 1)
    noise = np.broadcast_to(drawn[:, :-1], x.a.shape).astype(x.a.dtype)
    other = network.run(nodes, Dual(noise, np.zeros_like(noise)))
    last = max(layer.count - 1, 1)
    is_other = [drawn[:, -1:] < layer.mixing * k / last for k in range(layer.count)]
    return concatenate(
        [
            Dual(np.where(choice, other.a, style.a), np.where(choice, other.b, style.b))
            for choice in is_other
        ]
    )


@forward.register
def _(layer: kinds.PixelNoise, x: Dual, node: Node, network: Network) -> Dual:
    strength = network.parameter(node, "strength").expand_to(x)
    return x + strength.linear(lambda t: t * network.draws[node.path])
