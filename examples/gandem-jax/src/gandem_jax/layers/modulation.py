"""Layers that a vector modulates, and noise on pixels."""

from jax import Array, lax

from gandem.core import specs as kinds
from gandem.core.specs import FADE_IN
from gandem_jax.layers.affine import biased, convolve, kernel_of
from gandem_jax.layers.base import LAYERS, Context, read


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


def modulated_conv2d(layer: kinds.ModulatedConv2D, x: Array, at: Context) -> Array:
    style, kernel = read("layers", at), kernel_of(layer, at)  # (N, in), (kh, kw, in, out)
    x = convolve(layer, expand(style, x) * x, kernel)
    if layer.demodulate:
        energy = style**2 @ (kernel**2).sum((0, 1))  # (N, out)
        x = x * expand(lax.rsqrt(energy + layer.epsilon), x)
    return biased(layer, x, at)


def pixel_noise(layer: kinds.PixelNoise, x: Array, at: Context) -> Array:
    return x + at["strength"] * at.draws[at.node.path] if at.training else x


LAYERS |= {
    kinds.Blend: blend,
    kinds.FadeIn: blend,
    kinds.Modulate: modulate,
    kinds.Multiply: lambda layer, x, at: x * expand(read("layers", at), x),
    kinds.ModulatedConv2D: modulated_conv2d,
    kinds.PixelNoise: pixel_noise,
}
