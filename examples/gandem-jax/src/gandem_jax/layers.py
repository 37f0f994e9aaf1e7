"""Layers in JAX: one function for each kind. Images are (N, H, W, C), as everywhere in core."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
from jax import Array, lax
from jax.nn import elu, relu, silu

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node, crops, interpolation, pads

Affine = kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose


@dataclass
class Context:
    """What flows beside the features: all arrays by canonical name, which training replaces; the
    network's inputs; dropout masks by the path of their layer; the node at hand.
    """

    arrays: dict[str, Array]
    inputs: Mapping[str, Array]
    masks: Mapping[str, Array]
    training: bool
    node: Node | None = None

    def __getitem__(self, name: str) -> Array:
        """Return an array of the layer at hand by its short name."""
        return self.arrays[f"{self.node.path}/{name}"]

    def __setitem__(self, name: str, value: Array) -> None:
        self.arrays[f"{self.node.path}/{name}"] = value


def run(nodes: Sequence[Node], x: Array, context: Context) -> Array:
    """Compute layers one after another."""
    for node in nodes:
        if type(node.layer) not in LAYERS:
            raise TypeError(f"{node.path}: the JAX backend does not know {node.layer.kind!r}.")
        x = LAYERS[type(node.layer)](node.layer, x, replace(context, node=node))
    return x


def kernel_of(layer: Affine, at: Context) -> Array:
    """Return the kernel; with spectral norm, over σ. Miyato et al. 2018, arXiv:1802.05957."""
    kernel = at["kernel"]
    if not layer.spectral_norm:
        return kernel
    swapped = isinstance(layer, kinds.Conv2DTranspose)  # (kh, kw, out, in)
    matrix = kernel.swapaxes(-1, -2) if swapped else kernel
    matrix = matrix.reshape(-1, at.node.output_shape[-1])  # (kh·kw·in, out)
    if at.training:
        fixed = lax.stop_gradient(matrix)
        at["left_vector"] = unit(at["right_vector"] @ fixed)  # (out,)
        at["right_vector"] = unit(fixed @ at["left_vector"])  # (kh·kw·in,)
    return kernel / (at["right_vector"] @ matrix @ at["left_vector"])


def unit(vector: Array) -> Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)


def biased(layer: Affine, x: Array, at: Context) -> Array:
    return x + at["bias"] if layer.bias else x


def conv2d(layer: kinds.Conv2D, x: Array, at: Context) -> Array:
    kernel, order = kernel_of(layer, at), ("NHWC", "HWIO", "NHWC")
    sides = pads(layer, *x.shape[1:3])
    x = lax.conv_general_dilated(x, kernel, layer.stride, sides, dimension_numbers=order)
    return biased(layer, x, at)  # (N, H', W', filters)


def conv2d_transpose(layer: kinds.Conv2DTranspose, x: Array, at: Context) -> Array:
    # the flipped kernel slides over pixels that lie a stride apart. Padded by kernel - 1 they give
    # the full result; less padding crops it, and negative padding crops more
    kernel, order = jnp.flip(kernel_of(layer, at), (0, 1)), ("NHWC", "HWOI", "NHWC")
    cropped = zip(layer.kernel, crops(layer), strict=True)
    sides = [(k - 1 - before, k - 1 - after) for k, (before, after) in cropped]
    x = lax.conv_general_dilated(x, kernel, (1, 1), sides, layer.stride, dimension_numbers=order)
    return biased(layer, x, at)  # (N, H', W', filters)


def upsample2d(layer: kinds.Upsample2D, x: Array, at: Context) -> Array:
    if layer.method == "nearest":
        return jnp.repeat(jnp.repeat(x, layer.factor[0], axis=1), layer.factor[1], axis=2)
    sizes = zip(x.shape[1:3], layer.factor, strict=True)
    rows, columns = (interpolation(n, factor).astype(x.dtype) for n, factor in sizes)
    return jnp.einsum("ah,nhwc,bw->nabc", rows, x, columns)


def pool(layer: kinds.MaxPool2D | kinds.AveragePool2D, x: Array, start: float, join) -> Array:
    sides = ((0, 0), *pads(layer, *x.shape[1:3]), (0, 0))
    return lax.reduce_window(x, start, join, (1, *layer.size, 1), (1, *layer.stride, 1), sides)


def average_pool2d(layer: kinds.AveragePool2D, x: Array, at: Context) -> Array:
    inside = pool(layer, jnp.ones_like(x[:1, :, :, :1]), 0.0, lax.add)  # padding is no pixel
    return pool(layer, x, 0.0, lax.add) / inside


def moments(x: Array, axes: Sequence[int]) -> tuple[Array, Array, Array]:
    """Return mean, x - mean and biased variance; a second pass mends the rounding of the mean."""
    rough = lax.stop_gradient(jnp.mean(x, axes, keepdims=True))
    mean = rough + jnp.mean(x - rough, axes, keepdims=True)
    return mean, x - mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)


def normed(layer: kinds.Layer, centered: Array, variance: Array, at: Context) -> Array:
    x = (centered * lax.rsqrt(variance + layer.epsilon)).reshape(-1, *at.node.output_shape)
    return x * at["scale"] + at["offset"]


def batch_norm(layer: kinds.BatchNorm, x: Array, at: Context) -> Array:
    if not at.training:
        return normed(layer, x - at["mean"], at["variance"], at)
    mean, centered, variance = moments(x, tuple(range(x.ndim - 1)))  # (1, …, C)
    count = x.size // x.shape[-1]
    factor = 1 if layer.running_variance == "biased" else count / (count - 1)
    for name, value in (("mean", mean), ("variance", variance * factor)):
        at[name] = at[name] * layer.decay + value.ravel() * (1 - layer.decay)  # (C,)
    return normed(layer, centered, variance, at)


def layer_norm(layer: kinds.LayerNorm, x: Array, at: Context) -> Array:
    axes = tuple(range(1, x.ndim)) if layer.over == "all" else (-1,)
    return normed(layer, *moments(x, axes)[1:], at)


def group_norm(layer: kinds.GroupNorm | kinds.InstanceNorm, x: Array, at: Context) -> Array:
    groups = layer.groups if isinstance(layer, kinds.GroupNorm) else x.shape[-1]
    grouped = x.reshape(*x.shape[:-1], groups, -1)  # (N, H, W, groups, C / groups)
    return normed(layer, *moments(grouped, (*range(1, x.ndim - 1), -1))[1:], at)


def dropout(layer: kinds.Dropout, x: Array, at: Context) -> Array:
    kept = 1 - dropout_levels(layer.rate) / 256
    return x * (at.masks[at.node.path].astype(x.dtype) / kept) if at.training else x


def concatenate(layer: kinds.Concatenate, x: Array, at: Context) -> Array:
    other = run(at.node.branches["layers"], at.inputs[layer.input], at)
    if layer.planes:
        other = jnp.broadcast_to(other[:, None, None, :], (*x.shape[:3], other.shape[-1]))
    return jnp.concatenate([x, other], axis=-1)


def residual(layer: kinds.Residual, x: Array, at: Context) -> Array:
    return run(at.node.branches["layers"], x, at) + run(at.node.branches["shortcut"], x, at)


LAYERS = {
    kinds.Dense: lambda layer, x, at: biased(layer, x @ kernel_of(layer, at), at),  # (N, units)
    kinds.Embedding: lambda layer, x, at: x @ at["table"],  # a label may lie between two classes
    kinds.Conv2D: conv2d,
    kinds.Conv2DTranspose: conv2d_transpose,
    kinds.Upsample2D: upsample2d,
    kinds.MaxPool2D: lambda layer, x, at: pool(layer, x, -jnp.inf, lax.max),
    kinds.AveragePool2D: average_pool2d,
    kinds.GlobalMaxPool2D: lambda layer, x, at: jnp.max(x, axis=(1, 2)),  # ties share the gradient
    kinds.GlobalAveragePool2D: lambda layer, x, at: jnp.mean(x, axis=(1, 2)),  # (N, C)
    kinds.Flatten: lambda layer, x, at: x.reshape(-1, *at.node.output_shape),
    kinds.Reshape: lambda layer, x, at: x.reshape(-1, *at.node.output_shape),
    kinds.BatchNorm: batch_norm,
    kinds.LayerNorm: layer_norm,
    kinds.GroupNorm: group_norm,
    kinds.InstanceNorm: group_norm,
    kinds.Dropout: dropout,
    kinds.Relu: lambda layer, x, at: relu(x),
    kinds.LeakyRelu: lambda layer, x, at: jnp.where(x > 0, x, layer.slope * x),
    kinds.Elu: lambda layer, x, at: elu(x, layer.alpha),
    kinds.Silu: lambda layer, x, at: silu(x),
    kinds.Tanh: lambda layer, x, at: jnp.tanh(x),
    kinds.Sigmoid: lambda layer, x, at: lax.logistic(x),
    kinds.Concatenate: concatenate,
    kinds.Residual: residual,
}
