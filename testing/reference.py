"""The independent reference for networks: plain NumPy, written from core's docstrings.

Nothing is shared with a backend or with core's own geometry, and nothing is clever.  Every array
has a leading axis U, one place for each coordinate that is differentiated by (see ``dual.py``): an
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
from gandem.core.specs import Layer, NetworkPlan, Node
from gandem.core.training import Arrays, Derivatives
from gandem.testing.dual import STEP, Dual

__all__ = ["differentiate", "first_by_inputs"]


@dataclass(slots=True)
class Network:
    """What the layers of one forward pass read, and the running statistics it leaves behind."""

    values: Mapping[str, Dual]
    statistics: dict[str, np.ndarray]
    masks: Arrays
    updated: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, nodes: Sequence[Node], x: Dual) -> Dual:
        """Pass ``x`` (U, N, ...) through layers."""
        for node in nodes:
            x = forward(node.layer, x, node, self)
            if x.a.shape[2:] != node.output_shape:
                raise AssertionError(f"{node.path}: {x.a.shape[2:]}, the plan: {node.output_shape}")
        return x

    def parameter(self, node: Node, name: str) -> Dual:
        """Return a parameter of a layer, (U, ...)."""
        return self.values[f"{node.path}/{name}"]


@singledispatch
def forward(layer: Layer, x: Dual, node: Node, network: Network) -> Dual:
    """Run one layer in training mode."""
    raise NotImplementedError(f"The reference has no {layer.kind!r}; write it from its docstring.")


# --- affine layers -------------------------------------------------------------------------------


def _add_bias(
    y: Dual, layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, node: Node, net: Network
) -> Dual:
    return y + net.parameter(node, "bias").beside(y) if layer.bias else y


def _kernel(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, node: Node, network: Network
) -> Dual:
    """Return the kernel (U, ...) that a layer computes with: its own, or that over its norm."""
    kernel = network.parameter(node, "kernel")
    if not layer.spectral_norm:
        return kernel
    out = -2 if isinstance(layer, kinds.Conv2DTranspose) else -1
    matrix = kernel.linear(  # (U, out, kh·kw·in)
        lambda t: np.moveaxis(t, out, 1).reshape(len(t), t.shape[out], -1)
    )
    now = matrix.a[0].real
    u = _unit(now @ network.statistics[f"{node.path}/right_vector"])
    v = _unit(now.T @ u)
    network.updated |= {f"{node.path}/left_vector": u, f"{node.path}/right_vector": v}
    sigma = matrix.linear(lambda t: (t * u[:, None] * v).sum(axis=(1, 2)))  # (U,)
    inverse = sigma.curve(lambda s: 1 / s, lambda s: -1 / (s * s))
    return kernel * inverse.beside(kernel)


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.maximum(np.sqrt((vector * vector).sum()), 1e-12))


@forward.register
def _(layer: kinds.Dense, x: Dual, node: Node, network: Network) -> Dual:
    return _add_bias(x @ _kernel(layer, node, network), layer, node, network)


@forward.register
def _(layer: kinds.Embedding, x: Dual, node: Node, network: Network) -> Dual:
    return x @ network.parameter(node, "table")


def _same(n: int, k: int, s: int) -> tuple[int, int]:
    """Return TensorFlow's padding: ⌈n/s⌉ windows fit, the odd pixel goes below or right."""
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


def _places(i: int, stride: int, count: int) -> slice:
    return slice(i, i + (count - 1) * stride + 1, stride)


def _windows(
    x: Dual, window: tuple[int, int], stride: tuple[int, int]
) -> list[tuple[int, int, Dual]]:
    """Return, for each place (i, j) in a window, the pixels there, over all windows that fit."""
    rows = (x.a.shape[2] - window[0]) // stride[0] + 1
    columns = (x.a.shape[3] - window[1]) // stride[1] + 1
    return [
        (i, j, x[:, :, _places(i, stride[0], rows), _places(j, stride[1], columns)])
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
    elif crop == "same":  # H·stride rows are left
        before = [max(k - s, 0) // 2 for k, s in zip(layer.kernel, layer.stride, strict=True)]
        crop = ((before[0], kh - sh - before[0]), (before[1], kw - sw - before[1]))
    full = (x.a.shape[0], count, (rows - 1) * sh + kh, (columns - 1) * sw + kw, layer.filters)
    total = Dual(np.zeros(full, x.a.dtype), np.zeros(full, x.a.dtype))
    for i in range(kh):
        for j in range(kw):
            part = x @ kernel[:, i, j, None, None]
            place = (slice(None), slice(None), _places(i, sh, rows), _places(j, sw, columns))
            total.a[place] += part.a
            total.b[place] += part.b
    for axis, (start, end) in zip((2, 3), crop, strict=True):
        total = total.linear(partial(_crop, axis=axis, before=start, after=end))
    return _add_bias(total, layer, node, network)


def _crop(t: np.ndarray, axis: int, before: int, after: int) -> np.ndarray:
    """Take pixels away at both ends of an axis; a negative number adds zeros."""
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
    """Interpolate along an axis: pixel r lies at (r + ½)/factor - ½, held inside the image."""
    n = t.shape[axis]
    lines = []
    for r in range(n * factor):
        low, part = divmod(min(max(2 * r + 1 - factor, 0), 2 * factor * (n - 1)), 2 * factor)
        here = np.take(t, low, axis)
        beyond = np.take(t, min(low + 1, n - 1), axis)
        lines.append((here * (2 * factor - part) + beyond * part) / (2 * factor))
    return np.stack(lines, axis)


@forward.register
def _(layer: kinds.MaxPool2D, x: Dual, node: Node, network: Network) -> Dual:
    pads = _padding(layer.padding, x.a.shape, layer.size, layer.stride)
    padded = Dual(np.pad(x.a, pads, constant_values=-math.inf), np.pad(x.b, pads))
    parts = [pixels for _, _, pixels in _windows(padded, layer.size, layer.stride)]
    stack = Dual(np.stack([p.a for p in parts]), np.stack([p.b for p in parts]))
    best = np.argmax(stack.a.real, axis=0)[None]  # of equal ones the first, row by row
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
    scale = variance.curve(
        lambda v: 1 / np.sqrt(v + epsilon), lambda v: -0.5 / ((v + epsilon) * np.sqrt(v + epsilon))
    )
    return distance * scale, mean, variance


def _scale_offset(x: Dual, node: Node, network: Network) -> Dual:
    scale, offset = network.parameter(node, "scale"), network.parameter(node, "offset")
    return x * scale.beside(x) + offset.beside(x)


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


# --- element by element --------------------------------------------------------------------------


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
    return x.curve(
        lambda t: np.where(positive, t, layer.alpha * (np.exp(t) - 1)),
        lambda t: np.where(positive, 1, layer.alpha * np.exp(t)),
    )


@forward.register
def _(layer: kinds.Tanh, x: Dual, node: Node, network: Network) -> Dual:
    return x.curve(np.tanh, lambda t: 1 - np.tanh(t) * np.tanh(t))


@forward.register
def _(layer: kinds.Sigmoid, x: Dual, node: Node, network: Network) -> Dual:
    return x.curve(_sigmoid, lambda t: _sigmoid(t) * _sigmoid(-t))


@forward.register
def _(layer: kinds.Silu, x: Dual, node: Node, network: Network) -> Dual:
    return x * x.curve(_sigmoid, lambda t: _sigmoid(t) * _sigmoid(-t))


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


# --- derivatives ---------------------------------------------------------------------------------


def differentiate(
    plan: NetworkPlan,
    arrays: Arrays,
    inputs: Arrays,
    cotangent: np.ndarray,
    masks: Arrays,
    number: type[np.complexfloating[Any, Any]] = np.complex128,
) -> Derivatives:
    """Do what :meth:`Backend.differentiate` does, in ``number``; float64 comes back.

    With s = Σ cotangent·output, and v = ∂s/∂x for the inputs x, 0 for the parameters:
    ½ Σ (∂s/∂x)² changes along u by Σ v·∂²s/∂x∂u, which is s differentiated along v and u.
    """
    problem = _Problem(plan, arrays, inputs, cotangent, masks, number)
    names = [*plan.inputs, *(p.name for p in plan.parameters())]
    once = problem.sweep(names, {})
    twice = problem.sweep(names, {name: once.by_u[name] for name in plan.inputs})
    return Derivatives(
        once.output.astype(np.float64),
        _double(once.by_u),
        _double(twice.by_u_and_v),
        _double(once.updated),
    )


def first_by_inputs(
    plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: np.ndarray, masks: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the output and ∂s/∂x for the inputs x alone, in a fraction of the time."""
    problem = _Problem(plan, arrays, inputs, cotangent, masks, np.complex128)
    once = problem.sweep([*plan.inputs], {})
    return once.output, once.by_u


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One forward pass: the output, ∂s/∂u and ∂²s/∂u∂v by array, and the running statistics."""

    output: np.ndarray
    by_u: dict[str, np.ndarray]
    by_u_and_v: dict[str, np.ndarray]
    updated: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class _Problem:
    """The arguments of :func:`differentiate`."""

    plan: NetworkPlan
    arrays: Arrays
    inputs: Arrays
    cotangent: np.ndarray
    masks: Arrays
    number: type[np.complexfloating[Any, Any]]

    def sweep(self, names: Sequence[str], direction: Arrays) -> _Sweep:
        """Differentiate by each element of some arrays.

        Args:
            direction: v by array, 0 where left out.
        """
        plan, number = self.plan, self.number
        point = {**self.inputs, **{p.name: self.arrays[p.name] for p in plan.parameters()}}
        ends = np.cumsum([point[name].size for name in names])
        places = {
            name: slice(end - point[name].size, end)
            for name, end in zip(names, ends.tolist(), strict=True)
        }
        values = {}
        for name, value in point.items():
            whole = (int(ends[-1]), *value.shape)
            a = np.broadcast_to(value.astype(number), whole)
            if name in places:
                a = a.copy()
                a.reshape(len(a), -1)[places[name]].flat[:: value.size + 1] += STEP * 1j
            along = direction.get(name, np.zeros(value.shape))
            values[name] = Dual(a, np.broadcast_to(along.astype(number), whole))
        running = {p.name: self.arrays[p.name].astype(number).real for p in plan.statistics()}
        network = Network(values, running, self.masks)
        output = network.run(plan.nodes, values[plan.input])
        s = output.linear(lambda t: (t * self.cotangent).reshape(len(t), -1).sum(axis=1))  # (U,)
        by_u, by_u_and_v = (
            {
                name: (part[place].imag / STEP).reshape(point[name].shape)
                for name, place in places.items()
            }
            for part in (s.a, s.b)
        )
        return _Sweep(output.a[0].real, by_u, by_u_and_v, network.updated)


def _double(arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: value.astype(np.float64) for name, value in arrays.items()}
