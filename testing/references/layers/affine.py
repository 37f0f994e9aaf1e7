"""References of layers with a kernel or a table."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, concatenate, forward


def add_bias(
    y: Dual, layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, node: Node, net: Network
) -> Dual:
    """Add the bias of a layer, if it has one, scaled for its learning rate."""
    if not layer.bias:
        return y
    bias = net.parameter(node, "bias").linear(lambda t: t * layer.learning_rate_multiplier)
    return y + bias.expand_to(y)


def kernel_of(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, node: Node, network: Network
) -> Dual:
    """Return the kernel (U, ...) of a layer, divided by its spectral norm if the layer has one,
    and scaled for an equalized learning rate.
    """
    kernel = network.parameter(node, "kernel")
    out = -2 if isinstance(layer, kinds.Conv2DTranspose) else -1
    scale = layer.learning_rate_multiplier
    if layer.equalized_gain is not None:
        fan_in = math.prod(kernel.a.shape[1:]) // kernel.a.shape[out]
        scale *= layer.equalized_gain / math.sqrt(fan_in)
    if layer.spectral_norm:
        kernel = _divided(kernel, out, node, network)
    return kernel.linear(lambda t: t * scale)


def _divided(kernel: Dual, out: int, node: Node, network: Network) -> Dual:
    """Return a kernel over its spectral norm; ``out`` is the axis of its outputs."""
    matrix = kernel.linear(  # (U, out, kh·kw·in)
        lambda t: np.moveaxis(t, out, 1).reshape(len(t), t.shape[out], -1)
    )
    weights = matrix.a[0].real
    u = _unit(weights @ network.statistics[f"{node.path}/right_vector"])
    v = _unit(weights.T @ u)
    network.updated |= {f"{node.path}/left_vector": u, f"{node.path}/right_vector": v}
    sigma = matrix.linear(lambda t: (t * u[:, None] * v).sum(axis=(1, 2)))  # (U,)
    inverse = sigma.elementwise(lambda s: 1 / s, lambda s: -1 / (s * s))
    return kernel * inverse.expand_to(kernel)


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.maximum(np.sqrt((vector * vector).sum()), 1e-12))


@forward.register
def _(layer: kinds.Dense, x: Dual, node: Node, network: Network) -> Dual:
    return add_bias(x @ kernel_of(layer, node, network), layer, node, network)


@forward.register
def _(layer: kinds.Embedding, x: Dual, node: Node, network: Network) -> Dual:
    return x @ network.parameter(node, "table")


def _same(n: int, k: int, s: int) -> tuple[int, int]:
    """Return TensorFlow's padding: ⌈n/s⌉ windows fit; the odd pixel is added below or right."""
    windows = math.ceil(n / s)
    total = max((windows - 1) * s + k - n, 0)
    return total // 2, total - total // 2


def resolve_padding(
    padding: Any, shape: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the padding of every axis of (U, N, H, W, C)."""
    if padding == "same":
        padding = [_same(shape[2 + i], window[i], stride[i]) for i in (0, 1)]
    if padding == "valid":
        padding = ((0, 0), (0, 0))
    return [(0, 0), (0, 0), *padding, (0, 0)]


def _positions(i: int, stride: int, count: int) -> slice:
    return slice(i, i + (count - 1) * stride + 1, stride)


def slice_windows(
    x: Dual, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> list[tuple[int, int, Dual]]:
    """Return, for each position (i, j) in a window, its pixels in all windows that fit."""
    (down, right), (sh, sw) = dilation, stride
    rows = (x.a.shape[2] - (window[0] - 1) * down - 1) // sh + 1
    columns = (x.a.shape[3] - (window[1] - 1) * right - 1) // sw + 1
    return [
        (i, j, x[:, :, _positions(i * down, sh, rows), _positions(j * right, sw, columns)])
        for i in range(window[0])
        for j in range(window[1])
    ]


@forward.register
def _(layer: kinds.Conv2D, x: Dual, node: Node, network: Network) -> Dual:
    y = convolve(layer, x, kernel_of(layer, node, network))
    return add_bias(y, layer, node, network)


def convolve(layer: kinds.Conv2D, x: Dual, kernel: Dual) -> Dual:
    """Return the convolution of a batch with a kernel (U, kh, kw, in / groups, filters)."""
    (kh, kw), (down, right) = layer.kernel, layer.dilation
    window = ((kh - 1) * down + 1, (kw - 1) * right + 1)
    pads = resolve_padding(layer.padding, x.a.shape, window, layer.stride)
    padded = x.linear(lambda t: np.pad(t, pads))
    size, filters = kernel.a.shape[3], layer.filters // layer.groups
    parts = []
    for group in range(layer.groups):
        channels = slice(group * size, (group + 1) * size)
        outputs = slice(group * filters, (group + 1) * filters)
        first, *others = [
            pixels[..., channels] @ kernel[:, i, j, None, None, :, outputs]
            for i, j, pixels in slice_windows(padded, layer.kernel, layer.stride, layer.dilation)
        ]
        parts.append(sum(others, start=first))
    return concatenate(parts)


@forward.register
def _(layer: kinds.Conv2DTranspose, x: Dual, node: Node, network: Network) -> Dual:
    y = convolve_transposed(layer, x, kernel_of(layer, node, network))
    return add_bias(y, layer, node, network)


def convolve_transposed(layer: kinds.Conv2DTranspose, x: Dual, kernel: Dual) -> Dual:
    """Return the transposed convolution with a kernel (U, kh, kw, filters, in)."""
    kernel = kernel.linear(lambda t: np.swapaxes(t, -1, -2))
    count, rows, columns, _ = x.a.shape[1:]
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    crop = layer.padding
    if crop == "valid":
        crop = ((0, 0), (0, 0))
    elif crop == "same":  # leaves H·stride rows
        before = [max(k - s, 0) // 2 for k, s in zip(layer.kernel, layer.stride, strict=True)]
        crop = ((before[0], kh - sh - before[0]), (before[1], kw - sw - before[1]))
    full = (x.a.shape[0], count, (rows - 1) * sh + kh, (columns - 1) * sw + kw, layer.filters)
    total = Dual(np.zeros(full, x.a.dtype), np.zeros(full, x.a.dtype))
    for i in range(kh):
        for j in range(kw):
            part = x @ kernel[:, i, j, None, None]
            pixels = (..., _positions(i, sh, rows), _positions(j, sw, columns), slice(None))
            total.a[pixels] += part.a
            total.b[pixels] += part.b
    for axis, (start, end) in zip((2, 3), crop, strict=True):
        total = total.linear(partial(_crop, axis=axis, before=start, after=end))
    return total


def _crop(t: np.ndarray, axis: int, before: int, after: int) -> np.ndarray:
    """Remove pixels at both ends of an axis; a negative number adds zeros."""
    pads = [(0, 0)] * t.ndim
    pads[axis] = (max(-before, 0), max(-after, 0))
    end = t.shape[axis] - max(after, 0)
    return np.pad(np.take(t, np.arange(max(before, 0), end), axis), pads)


@forward.register
def _(layer: kinds.Constant, x: Dual, node: Node, network: Network) -> Dual:
    shape = (*x.a.shape[:2], *layer.shape)
    value = network.parameter(node, "value")
    return value.linear(lambda t: np.broadcast_to(t[:, None], shape))


@forward.register
def _(layer: kinds.PositionEmbedding, x: Dual, node: Node, network: Network) -> Dual:
    return x + network.parameter(node, "position").expand_to(x)


@forward.register
def _(layer: kinds.Bias, x: Dual, node: Node, network: Network) -> Dual:
    return x + network.parameter(node, "bias").expand_to(x)
