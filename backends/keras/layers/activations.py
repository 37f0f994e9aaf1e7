"""Activations and dropout in Keras."""

import math

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.base import Context, ContextLayer, Layer, build
from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels


@build.register(kinds.Relu)
@build.register(kinds.LeakyRelu)
@build.register(kinds.Elu)
@build.register(kinds.Silu)
@build.register(kinds.Tanh)
@build.register(kinds.Sigmoid)
@build.register(kinds.Selu)
@build.register(kinds.Gelu)
@build.register(kinds.Softplus)
class Activation(Layer):
    """A function of each feature alone."""

    def call(self, x: Tensor) -> Tensor:
        match self.spec:
            case kinds.Relu():
                return tf.nn.relu(x)
            case kinds.LeakyRelu(slope=slope, gain=gain) if gain != 1:
                return tf.where(x > 0, self.number(gain) * x, self.number(gain * slope) * x)
            case kinds.LeakyRelu(slope=slope) if x.dtype == tf.float64:
                return tf.where(x > 0, x, self.number(slope) * x)
            case kinds.LeakyRelu(slope=slope):  # one pass, but the slope is held in float32
                return tf.nn.leaky_relu(x, slope)
            case kinds.Elu(alpha=alpha):
                return self._elu(x, alpha)
            case kinds.Selu(alpha=alpha, scale=scale):
                return self.number(scale) * self._elu(x, alpha)
            case kinds.Gelu(approximation="none"):
                return x * (tf.math.erf(x * self.number(0.5**0.5)) + 1) / 2
            case kinds.Gelu():
                inner = x + self.number(0.044715) * x * x * x
                return x * (tf.tanh(self.number((2 / math.pi) ** 0.5) * inner) + 1) / 2
            case kinds.Softplus():
                return tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.zeros_like(x), logits=x)
            case kinds.Silu():
                return x * tf.sigmoid(x)
            case kinds.Tanh():
                return tf.tanh(x)
            case _:
                return tf.sigmoid(x)

    def _elu(self, x: Tensor, alpha: float) -> Tensor:
        # expm1 of the positive side would overflow into the gradient of where
        below = self.number(alpha) * tf.math.expm1(tf.minimum(x, 0))
        return tf.where(x > 0, x, below)


@build.register(kinds.Prelu)
class Prelu(Layer):
    """A learned slope below 0 for each channel."""

    def call(self, x: Tensor) -> Tensor:
        return tf.where(x > 0, x, self.weight("slope") * x)


@build.register(kinds.Dropout)
class Dropout(ContextLayer):
    """Dropout with a mask from core; without one (in a user's own loop) it draws its own."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        if not context.training:
            return x
        rate = dropout_levels(self.spec.rate) / 256
        mask = context.draws.get(self.node.path)
        if mask is None:
            mask = tf.random.uniform(tf.shape(x)) >= rate
        return x * (tf.cast(mask, x.dtype) * self.number(1 / (1 - rate)))
