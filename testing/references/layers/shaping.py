"""References of layers that arrange the same features."""

from __future__ import annotations

from functools import partial

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Layer, Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, forward


@forward.register(kinds.Flatten)
@forward.register(kinds.Reshape)
def _(layer: Layer, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t.reshape(*t.shape[:2], *node.output_shape))


@forward.register
def _(layer: kinds.DepthToSpace, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(partial(_spread, factor=layer.factor))


def _spread(t: np.ndarray, factor: int) -> np.ndarray:
    units, count, height, width, channels = t.shape
    area = factor * factor
    image = np.zeros((units, count, height * factor, width * factor, channels // area), t.dtype)
    for i in range(factor):
        for j in range(factor):
            image[:, :, i::factor, j::factor] = t[..., i * factor + j :: area]
    return image


@forward.register
def _(layer: kinds.SpaceToDepth, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(partial(_gather, factor=layer.factor))


def _gather(t: np.ndarray, factor: int) -> np.ndarray:
    units, count, height, width, channels = t.shape
    area = factor * factor
    image = np.zeros((units, count, height // factor, width // factor, channels * area), t.dtype)
    for i in range(factor):
        for j in range(factor):
            image[..., i * factor + j :: area] = t[:, :, i::factor, j::factor]
    return image


@forward.register
def _(layer: kinds.Slice, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t[..., layer.start : layer.stop])
