"""Layers of Keras that a vector modulates, and noise on pixels."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.affine import Conv2D
from gandem.backends.keras.layers.base import Context, ContextLayer, build
from gandem.backends.keras.layers.graph import Branched
from gandem.core import specs as kinds
from gandem.core.specs import FADE_IN


def expand(vector: Tensor, x: Tensor) -> Tensor:
    """Give a vector (N, C) the axes of an image ``x``; leave others unchanged."""
    is_vector = x.shape.rank == 4 and vector.shape.rank == 2
    return vector[:, None, None, :] if is_vector else vector


@build.register(kinds.Modulate)
class Modulate(Branched):
    """x·(1 + scale) + offset."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        scale, offset = (expand(self.read(name, context), x) for name in ("scale", "offset"))
        return x * (1 + scale) + offset


@build.register(kinds.Multiply)
class Multiply(Branched):
    """x·layers(input)."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return x * expand(self.read("layers", context), x)


@build.register(kinds.Blend)
class Blend(Branched):
    """weight·x + (1 - weight)·layers(input)."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        weight = self.spec.weight
        if isinstance(self.spec, kinds.FadeIn):
            weight = expand(context.inputs[FADE_IN], x)
        return weight * x + (1 - weight) * self.read("layers", context)


@build.register(kinds.ModulatedConv2D)
class ModulatedConv2D(Branched, Conv2D):
    """A convolution of channels times a style, over the norm of the modulated kernel."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        style, kernel = self.read("layers", context), self.kernel(context)
        x = self.convolve(x * expand(style, x), kernel, context)
        if self.spec.demodulate:
            energy = tf.matmul(style * style, tf.reduce_sum(kernel * kernel, (0, 1)))  # (N, out)
            x = x * expand(tf.math.rsqrt(energy + self.number(self.spec.epsilon)), x)
        return self.biased(x)


@build.register(kinds.PixelNoise)
class PixelNoise(ContextLayer):
    """Noise times a strength; it draws its own without noise from core, as in a user's loop."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        if not context.training:
            return x
        noise = context.draws.get(self.node.path)
        if noise is None:
            noise = tf.random.normal(tf.shape(x[..., :1]), dtype=x.dtype)
        return x + self.weight("strength") * noise
