"""References of upsampling and pooling."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.affine import resolve_padding, slice_windows
from gandem.testing.references.layers.base import Network, forward


@forward.register
def _(layer: kinds.Upsample2D, x: Dual, node: Node, network: Network) -> Dual:
    for axis, factor in zip((2, 3), layer.factor, strict=True):
        if layer.method == "nearest":
            x = x.linear(partial(np.repeat, repeats=factor, axis=axis))
        else:
            x = x.linear(partial(_stretch, factor=factor, axis=axis))
    return x


def _stretch(t: np.ndarray, factor: int, axis: int) -> np.ndarray:
    """Interpolate along an axis: pixel r lies at (r + ½)/factor - ½, clipped to the image."""
    n = t.shape[axis]
    lines = []
    for r in range(n * factor):
        low, part = divmod(min(max(2 * r + 1 - factor, 0), 2 * factor * (n - 1)), 2 * factor)
        first = np.take(t, low, axis)
        second = np.take(t, min(low + 1, n - 1), axis)
        lines.append((first * (2 * factor - part) + second * part) / (2 * factor))
    return np.stack(lines, axis)


@forward.register
def _(layer: kinds.MaxPool2D, x: Dual, node: Node, network: Network) -> Dual:
    pads = resolve_padding(layer.padding, x.a.shape, layer.size, layer.stride)
    padded = Dual(np.pad(x.a, pads, constant_values=-math.inf), np.pad(x.b, pads))
    parts = [pixels for _, _, pixels in slice_windows(padded, layer.size, layer.stride)]
    stack = Dual(np.stack([p.a for p in parts]), np.stack([p.b for p in parts]))
    best = np.argmax(stack.a.real, axis=0)[None]  # the first of equal pixels, row by row
    return stack.linear(lambda t: np.take_along_axis(t, best, 0)[0])


@forward.register
def _(layer: kinds.AveragePool2D, x: Dual, node: Node, network: Network) -> Dual:
    pads = resolve_padding(layer.padding, x.a.shape, layer.size, layer.stride)

    def mean(t: np.ndarray) -> np.ndarray:
        inside = Dual(np.pad(t, pads), np.pad(np.ones(t.shape), pads))
        parts = [pixels for _, _, pixels in slice_windows(inside, layer.size, layer.stride)]
        return np.asarray(sum(p.a for p in parts) / sum(p.b for p in parts))

    return x.linear(mean)


@forward.register
def _(layer: kinds.GlobalMaxPool2D, x: Dual, node: Node, network: Network) -> Dual:
    real = x.a.real
    top = real == real.max(axis=(2, 3), keepdims=True)
    count = top.sum(axis=(2, 3))
    return x.linear(lambda t: (t * top).sum(axis=(2, 3)) / count)


@forward.register
def _(layer: kinds.GlobalAveragePool2D, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t.mean(axis=(2, 3)))


@forward.register
def _(layer: kinds.GlobalSumPool2D, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t.sum(axis=(2, 3)))


@forward.register
def _(layer: kinds.Resample2D, x: Dual, node: Node, network: Network) -> Dual:
    for axis in (0, 1):
        x = x.linear(partial(_filter, layer=layer, axis=axis))
    return x.linear(lambda t: t * layer.gain)


def _filter(t: np.ndarray, layer: kinds.Resample2D, axis: int) -> np.ndarray:
    """Extend, insert zeros, convolve and subsample along an axis of the image."""
    taps, up, down = layer.filter, layer.up[axis], layer.down[axis]
    size, before = t.shape[axis + 2] * up // down, (len(taps) + up - down) // 2
    more = len(taps)
    if not isinstance(layer.padding, str):
        before, after = layer.padding[axis]
        size = (t.shape[axis + 2] * up + before + after - len(taps)) // down + 1
        more += max(before, after, 0)
    lines = np.moveaxis(t, axis + 2, 0)  # (n, …)
    mode: Any = "reflect" if layer.padding == "reflect" else "constant"
    lines = np.pad(lines, [(more, more)] + [(0, 0)] * (t.ndim - 1), mode=mode)
    sparse = np.zeros((len(lines) * up, *lines.shape[1:]), t.dtype)
    sparse[::up] = lines
    start = more * up - before
    ends = [start + row * down + len(taps) for row in range(size)]
    filtered = [sum(f * sparse[end - 1 - k] for k, f in enumerate(taps)) for end in ends]
    return np.moveaxis(np.stack(filtered), 0, axis + 2) * up / sum(taps)
