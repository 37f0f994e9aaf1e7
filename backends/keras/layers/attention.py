"""Attention in Keras."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.base import Context, build
from gandem.backends.keras.layers.graph import Branched, run
from gandem.core import specs as kinds


@build.register(kinds.SelfAttention)
class SelfAttention(Branched):
    """Each pixel reads all pixels. Zhang et al. 2018, arXiv:1805.08318."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        query, key, value = (
            self._flatten(run(self.branch(name), x, context)) for name in ("query", "key", "value")
        )
        scores = context.widen(tf.matmul(*context.narrow(query, key), transpose_b=True))
        weights = tf.nn.softmax(scores)  # (N, H·W, keys)
        attended = context.widen(tf.matmul(*context.narrow(weights, value)))
        image = tf.reshape(attended, [-1, *x.shape[1:3], value.shape[-1]])
        return x + self.weight("gamma") * run(self.branch("output"), image, context)

    def _flatten(self, x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        return tf.reshape(x, [-1, height * width, channels])
