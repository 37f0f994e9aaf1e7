"""Upsampling and pooling in Keras."""

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.base import Layer, build
from gandem.core import specs as kinds
from gandem.core.specs import Node, filter_matrix, interpolation


@build.register(kinds.Upsample2D)
class Upsample2D(Layer):
    """Nearest by repetition; bilinear with core's matrices, since TensorFlow resizes in float32."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        sizes = zip(node.input_shape, self.spec.factor, strict=False)
        self.matrices = [interpolation(n, factor).astype(dtype) for n, factor in sizes]

    def call(self, x: Tensor) -> Tensor:
        if self.spec.method == "bilinear":
            rows, columns = (tf.constant(m) for m in self.matrices)
            return tf.einsum("ah,nhwc,bw->nabc", rows, x, columns)
        height, width = self.spec.factor
        return tf.repeat(tf.repeat(x, height, axis=1), width, axis=2)


@build.register(kinds.MaxPool2D)
@build.register(kinds.AveragePool2D)
class Pool2D(Layer):
    """Maximum or mean over windows; TensorFlow does not count padding."""

    def call(self, x: Tensor) -> Tensor:
        pool = tf.nn.max_pool2d if isinstance(self.spec, kinds.MaxPool2D) else tf.nn.avg_pool2d
        return pool(x, self.spec.size, self.spec.stride, self.spec.padding.upper())


@build.register(kinds.GlobalMaxPool2D)
@build.register(kinds.GlobalAveragePool2D)
class GlobalPool2D(Layer):
    """Maximum over pixels, in which ties share the gradient, or mean."""

    def call(self, x: Tensor) -> Tensor:
        is_max = isinstance(self.spec, kinds.GlobalMaxPool2D)
        return (tf.reduce_max if is_max else tf.reduce_mean)(x, axis=(1, 2))


@build.register(kinds.Resample2D)
class Resample2D(Layer):
    """A fixed filter, as a matrix for each axis."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        self.matrices = [
            filter_matrix(self.spec, node.input_shape[axis], axis).astype(dtype) for axis in (0, 1)
        ]

    def call(self, x: Tensor) -> Tensor:
        rows, columns = (tf.constant(matrix) for matrix in self.matrices)
        return tf.einsum("ah,nhwc,bw->nabc", rows, x, columns)
