"""The tensor functions of losses, in TensorFlow."""

import tensorflow as tf
from tensorflow import Tensor


class KerasOps:
    """See :class:`gandem.core.training.Ops`."""

    def mean(self, x: Tensor) -> Tensor:
        return tf.reduce_mean(x)

    def square(self, x: Tensor) -> Tensor:
        return x * x

    def sqrt(self, x: Tensor) -> Tensor:
        return tf.sqrt(x)

    def sum_rows(self, x: Tensor) -> Tensor:
        return tf.reduce_sum(x, axis=list(range(1, x.shape.rank)))

    def relu(self, x: Tensor) -> Tensor:
        return tf.nn.relu(x)

    def softplus(self, x: Tensor) -> Tensor:
        # the fused loss for target 0 is log(1 + exp(x)), exact for every x and its gradient too
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.zeros_like(x), logits=x)

    def cross_entropy(self, logits: Tensor, weights: Tensor) -> Tensor:
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(weights, logits))

    def positive(self, x: Tensor) -> Tensor:
        return tf.cast(x > 0, x.dtype)

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        return tf.concat([first, second], axis=0)

    def ranks(self, x: Tensor) -> Tensor:
        order = tf.argsort(x[:, 0], direction="DESCENDING", stable=True)
        return tf.cast(tf.math.invert_permutation(order), x.dtype)[:, None]

    def column_products(self, x: Tensor) -> Tensor:
        products = tf.matmul(x, x, transpose_a=True)
        return tf.linalg.set_diag(products, tf.zeros_like(products[0]))

    def pack(self, images: Tensor, count: int) -> Tensor:
        groups = tf.reshape(images, [-1, count, *images.shape[1:]])
        if images.shape.rank == 4:
            groups = tf.transpose(groups, [0, 2, 3, 1, 4])  # (N, H, W, count, C)
        return tf.reshape(groups, [-1, *images.shape[1:-1], count * images.shape[-1]])

    def batch_mean(self, x: Tensor) -> Tensor:
        return tf.reduce_mean(x, axis=0, keepdims=True)

    def channel_mean(self, images: Tensor) -> Tensor:
        return tf.reduce_mean(images, axis=-1, keepdims=True)

    def image_mean(self, images: Tensor) -> Tensor:
        return tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)

    def warp(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return tf.einsum("nah,nhvc,nbv->nabc", rows, images, columns)

    def gram(self, images: Tensor) -> Tensor:
        pixels = tf.reshape(images, [images.shape[0], -1, images.shape[-1]])  # (N, H·W, C)
        return tf.matmul(pixels, pixels, transpose_a=True)
