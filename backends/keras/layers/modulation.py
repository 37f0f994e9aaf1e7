"""Layers of Keras that a vector modulates, style vectors, and noise on pixels."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.affine import Conv2D, Conv2DTranspose
from gandem.backends.keras.layers.base import Context, ContextLayer, build
from gandem.backends.keras.layers.graph import Branched, run
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


class Modulated(Branched):
    """A convolution of channels times a style, over the norm of the modulated kernel."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        style, kernel = self.read("layers", context), self.kernel(context)
        x = self.convolve(x * expand(style, x), kernel, context)
        if self.spec.demodulate:
            squares = tf.reduce_sum(self.filters_last(kernel * kernel), (0, 1))  # (in, out)
            energy = tf.matmul(style * style, squares)  # (N, out)
            x = x * expand(tf.math.rsqrt(energy + self.number(self.spec.epsilon)), x)
        return self.biased(x)


@build.register(kinds.ModulatedConv2D)
class ModulatedConv2D(Modulated, Conv2D):
    """A modulated convolution."""


@build.register(kinds.ModulatedConv2DTranspose)
class ModulatedConv2DTranspose(Modulated, Conv2DTranspose):
    """A modulated transposed convolution."""


@build.register(kinds.Styles)
class Styles(Branched):
    """Copies of a style; without a draw of core, as in a user's loop, it mixes none."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        drawn, other = context.draws.get(self.node.path), None
        if drawn is not None:
            other = run(self.branch("layers"), drawn[:, :-1], context)[:, None]
        style = run(self.branch("layers"), x, context)  # (N, D)
        if context.training:  # assignments have no gradient
            mean, decay = self.weight("mean"), self.number(self.spec.decay)
            mean.assign(decay * mean + (1 - decay) * tf.reduce_mean(style, 0))
        copies = tf.repeat(style[:, None], self.spec.count, axis=1)  # (N, count, D)
        if other is not None:
            is_other = drawn[:, -1:, None] < self.number(self.spec.shares)[:, None]
            copies = tf.where(is_other, other, copies)
        return tf.reshape(copies, [-1, *self.node.output_shape])


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
