"""Layers that a vector modulates, style vectors, and noise on pixels."""

import jax.numpy as jnp
from jax import Array, lax

from gandem.core import specs as kinds
from gandem.core.specs import FADE_IN
from gandem_jax.layers.affine import biased, convolve, convolve_transposed, kernel_of
from gandem_jax.layers.base import LAYERS, Context, read, run

Modulated = kinds.ModulatedConv2D | kinds.ModulatedConv2DTranspose


def expand(vector: Array, x: Array) -> Array:
    """Give a vector (N, C) the axes of an image ``x``; leave others unchanged."""
    return vector[:, None, None, :] if x.ndim == 4 and vector.ndim == 2 else vector


def modulate(layer: kinds.Modulate, x: Array, at: Context) -> Array:
    scale, offset = (expand(read(name, at), x) for name in ("scale", "offset"))
    return x * (1 + scale) + offset


def blend(layer: kinds.Blend, x: Array, at: Context) -> Array:
    fades = isinstance(layer, kinds.FadeIn)
    weight = expand(at.inputs[FADE_IN], x) if fades else layer.weight
    return weight * x + (1 - weight) * read("layers", at)


def modulated(layer: Modulated, x: Array, at: Context) -> Array:
    is_transposed = isinstance(layer, kinds.Conv2DTranspose)
    style, kernel = read("layers", at), kernel_of(layer, at)  # (N, in), (kh, kw, in, out)
    x = (convolve_transposed if is_transposed else convolve)(layer, expand(style, x) * x, kernel)
    if layer.demodulate:
        squares = (kernel**2).sum((0, 1))
        energy = style**2 @ (squares.T if is_transposed else squares)  # (N, out)
        x = x * expand(lax.rsqrt(energy + layer.epsilon), x)
    return biased(layer, x, at)


def styles(layer: kinds.Styles, x: Array, at: Context) -> Array:
    nodes, drawn = at.node.branches["layers"], at.draws.get(at.node.path)
    other = None if drawn is None else run(nodes, drawn[:, :-1], at)[:, None]
    style = run(nodes, x, at)  # (N, D)
    if at.training:
        mean = lax.stop_gradient(style.mean(0))
        at["mean"] = layer.decay * at["mean"] + (1 - layer.decay) * mean
    copies = jnp.repeat(style[:, None], layer.count, axis=1)  # (N, count, D)
    if other is not None:
        shares = jnp.array(layer.shares, x.dtype)[:, None]
        copies = jnp.where(drawn[:, -1:, None] < shares, other, copies)
    return copies.reshape(-1, *at.node.output_shape)


def pixel_noise(layer: kinds.PixelNoise, x: Array, at: Context) -> Array:
    return x + at["strength"] * at.draws[at.node.path] if at.training else x


LAYERS |= {
    kinds.Blend: blend,
    kinds.FadeIn: blend,
    kinds.Modulate: modulate,
    kinds.Multiply: lambda layer, x, at: x * expand(read("layers", at), x),
    kinds.ModulatedConv2D: modulated,
    kinds.ModulatedConv2DTranspose: modulated,
    kinds.Styles: styles,
    kinds.PixelNoise: pixel_noise,
}
