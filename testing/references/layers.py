"""The independent reference for layers: plain NumPy, written from core's docstrings.

It shares no code with a backend or with core's geometry, and avoids optimizations. Every array has
a leading axis U, one place for each coordinate of the derivatives (see ``dual_numbers.py``): an
image is (U, N, H, W, C), a kernel (U, in, out).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, singledispatch
from typing import Any

import numpy as np

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Layer, Node
from gandem.core.training import Arrays
from gandem.testing.references.dual_numbers import Dual

__all__ = ["Network", "forward"]


@dataclass(slots=True)
class Network:
    """The arrays that the layers of one forward pass read, and the running statistics after it."""

    values: Mapping[str, Dual]
    statistics: dict[str, np.ndarray]
    masks: Arrays
    updated: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, nodes: Sequence[Node], x: Dual) -> Dual:
        """Run layers on ``x`` (U, N, ...)."""
        for node in nodes:
            x = forward(node.layer, x, node, self)
            if x.a.shape[2:] != node.output_shape:
                raise AssertionError(f"{node.path}: {x.a.shape[2:]}, expected {node.output_shape}")
        return x

    def parameter(self, node: Node, name: str) -> Dual:
        """Return a parameter of a layer, (U, ...)."""
        return self.values[f"{node.path}/{name}"]


@singledispatch
def forward(layer: Layer, x: Dual, node: Node, network: Network) -> Dual:
    """Run one layer in training mode."""
    raise NotImplementedError(f"The reference has no layer {layer.kind!r}; add it here.")


# --- affine layers -------------------------------------------------------------------------------


def _add_bias(
    y: Dual, layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, node: Node, net: Network
) -> Dual:
    return y + net.parameter(node, "bias").expand_to(y) if layer.bias else y


def _kernel(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, node: Node, network: Network
) -> Dual:
    """Return the kernel (U, ...) of a layer, divided by its spectral norm if the layer has one."""
    kernel = network.parameter(node, "kernel")
    if not layer.spectral_norm:
        return kernel
    out = -2 if isinstance(layer, kinds.Conv2DTranspose) else -1
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
    return _add_bias(x @ _kernel(layer, node, network), layer, node, network)


@forward.register
def _(layer: kinds.Embedding, x: Dual, node: Node, network: Network) -> Dual:
    return x @ network.parameter(node, "table")


def _same(n: int, k: int, s: int) -> tuple[int, int]:
    """Return TensorFlow's padding: ⌈n/s⌉ windows fit; the odd pixel is added below or right."""
    windows = math.ceil(n / s)
    total = max((windows - 1) * s + k - n, 0)
    return total // 2, total - total // 2


def _padding(
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


def _windows(
    x: Dual, window: tuple[int, int], stride: tuple[int, int]
) -> list[tuple[int, int, Dual]]:
    """Return, for each position (i, j) in a window, its pixels in all windows that fit."""
    rows = (x.a.shape[2] - window[0]) // stride[0] + 1
    columns = (x.a.shape[3] - window[1]) // stride[1] + 1
    return [
        (i, j, x[:, :, _positions(i, stride[0], rows), _positions(j, stride[1], columns)])
        for i in range(window[0])
        for j in range(window[1])
    ]


@forward.register
def _(layer: kinds.Conv2D, x: Dual, node: Node, network: Network) -> Dual:
    kernel = _kernel(layer, node, network)  # (U, kh, kw, in, out)
    pads = _padding(layer.padding, x.a.shape, layer.kernel, layer.stride)
    padded = x.linear(lambda t: np.pad(t, pads))
    first, *others = [
        pixels @ kernel[:, i, j, None, None]
        for i, j, pixels in _windows(padded, layer.kernel, layer.stride)
    ]
    return _add_bias(sum(others, start=first), layer, node, network)


@forward.register
def _(layer: kinds.Conv2DTranspose, x: Dual, node: Node, network: Network) -> Dual:
    kernel = _kernel(layer, node, network).linear(lambda t: np.swapaxes(t, -1, -2))
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
    return _add_bias(total, layer, node, network)


def _crop(t: np.ndarray, axis: int, before: int, after: int) -> np.ndarray:
    """Remove pixels at both ends of an axis; a negative number adds zeros."""
    pads = [(0, 0)] * t.ndim
    pads[axis] = (max(-before, 0), max(-after, 0))
    end = t.shape[axis] - max(after, 0)
    return np.pad(np.take(t, np.arange(max(before, 0), end), axis), pads)


# --- sizes and shapes ----------------------------------------------------------------------------


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
    pads = _padding(layer.padding, x.a.shape, layer.size, layer.stride)
    padded = Dual(np.pad(x.a, pads, constant_values=-math.inf), np.pad(x.b, pads))
    parts = [pixels for _, _, pixels in _windows(padded, layer.size, layer.stride)]
    stack = Dual(np.stack([p.a for p in parts]), np.stack([p.b for p in parts]))
    best = np.argmax(stack.a.real, axis=0)[None]  # the first of equal pixels, row by row
    return stack.linear(lambda t: np.take_along_axis(t, best, 0)[0])


@forward.register
def _(layer: kinds.AveragePool2D, x: Dual, node: Node, network: Network) -> Dual:
    pads = _padding(layer.padding, x.a.shape, layer.size, layer.stride)

    def mean(t: np.ndarray) -> np.ndarray:
        inside = Dual(np.pad(t, pads), np.pad(np.ones(t.shape), pads))
        parts = [pixels for _, _, pixels in _windows(inside, layer.size, layer.stride)]
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


@forward.register(kinds.Flatten)
@forward.register(kinds.Reshape)
def _(layer: Layer, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t.reshape(*t.shape[:2], *node.output_shape))


# --- norms ---------------------------------------------------------------------------------------


def _normalize(x: Dual, axes: tuple[int, ...], epsilon: float) -> tuple[Dual, Dual, Dual]:
    """Return (x - mean)/√(variance + epsilon), the mean, and the biased variance."""
    mean = x.linear(lambda t: t.mean(axes, keepdims=True))
    distance = x - mean
    variance = (distance * distance).linear(lambda t: t.mean(axes, keepdims=True))
    scale = variance.elementwise(
        lambda v: 1 / np.sqrt(v + epsilon), lambda v: -0.5 / ((v + epsilon) * np.sqrt(v + epsilon))
    )
    return distance * scale, mean, variance


def _scale_offset(x: Dual, node: Node, network: Network) -> Dual:
    scale, offset = network.parameter(node, "scale"), network.parameter(node, "offset")
    return x * scale.expand_to(x) + offset.expand_to(x)


@forward.register
def _(layer: kinds.BatchNorm, x: Dual, node: Node, network: Network) -> Dual:
    normal, mean, variance = _normalize(x, tuple(range(1, x.a.ndim - 1)), layer.epsilon)
    n = math.prod(x.a.shape[1:-1])
    spread = variance.a if layer.running_variance == "biased" else variance.a * n / (n - 1)
    for name, batch in (("mean", mean.a), ("variance", spread)):
        old = network.statistics[f"{node.path}/{name}"]
        new = layer.decay * old + (1 - layer.decay) * batch[0].real.reshape(-1)
        network.updated[f"{node.path}/{name}"] = new
    return _scale_offset(normal, node, network)


@forward.register
def _(layer: kinds.LayerNorm, x: Dual, node: Node, network: Network) -> Dual:
    axes = tuple(range(2, x.a.ndim)) if layer.over == "all" else (-1,)
    return _scale_offset(_normalize(x, axes, layer.epsilon)[0], node, network)


@forward.register
def _(layer: kinds.GroupNorm, x: Dual, node: Node, network: Network) -> Dual:
    groups = x.linear(lambda t: t.reshape(*t.shape[:-1], layer.groups, -1))
    axes = (*range(2, x.a.ndim - 1), x.a.ndim)  # pixels, and the channels of a group
    normal = _normalize(groups, axes, layer.epsilon)[0].linear(lambda t: t.reshape(x.a.shape))
    return _scale_offset(normal, node, network)


@forward.register
def _(layer: kinds.InstanceNorm, x: Dual, node: Node, network: Network) -> Dual:
    return _scale_offset(_normalize(x, (2, 3), layer.epsilon)[0], node, network)


# --- elementwise ---------------------------------------------------------------------------------


@forward.register
def _(layer: kinds.Dropout, x: Dual, node: Node, network: Network) -> Dual:
    keep = network.masks[node.path] / (1 - dropout_levels(layer.rate) / 256)
    return x.linear(lambda t: t * keep)


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


# --- layers of layers ----------------------------------------------------------------------------


@forward.register
def _(layer: kinds.Concatenate, x: Dual, node: Node, network: Network) -> Dual:
    other = network.run(node.branches["layers"], network.values[layer.input])
    if layer.planes:
        pixels = (*x.a.shape[:-1], other.a.shape[-1])
        other = other.linear(lambda t: np.broadcast_to(t[:, :, None, None], pixels))
    return Dual(np.concatenate([x.a, other.a], -1), np.concatenate([x.b, other.b], -1))


@forward.register
def _(layer: kinds.Residual, x: Dual, node: Node, network: Network) -> Dual:
    return network.run(node.branches["layers"], x) + network.run(node.branches["shortcut"], x)
