"""Dense layers, convolutions, embeddings and spectral norm in Keras."""

from typing import Any

import tensorflow as tf
from tensorflow import Tensor

from gandem.backends.keras.layers.base import Context, ContextLayer, Layer, build
from gandem.core import specs as kinds
from gandem.core.specs import Node, crops, pads, span


class Affine(ContextLayer):
    """A layer with a kernel, and optionally a bias and spectral norm."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        self.multipliers = {p.name.rsplit("/", 1)[1]: p.multiplier for p in node.parameters}

    def kernel(self, context: Context) -> Tensor:
        """Return the kernel that the layer computes with."""
        return self.multiplied("kernel", self.divided(self.weight("kernel"), context))

    def divided(self, kernel: Tensor, context: Context) -> Tensor:
        """Divide the kernel by its largest singular value if the layer has spectral norm.

        Keras's SpectralNormalization overwrites the kernel and omits σ from the gradient.
        Miyato et al. 2018, arXiv:1802.05957.
        """
        if not self.spec.spectral_norm:
            return kernel
        filters = self.filters_last(kernel)
        matrix = tf.reshape(filters, [-1, filters.shape[-1]])  # (kh·kw·in, out)
        u, v = self.weight("left_vector"), self.weight("right_vector")
        if context.training:  # assignments have no gradient
            u.assign(self._unit(tf.linalg.matvec(matrix, v, transpose_a=True)))
            v.assign(self._unit(tf.linalg.matvec(matrix, u)))
        return kernel / tf.tensordot(tf.linalg.matvec(matrix, u), v, 1)

    def filters_last(self, kernel: Tensor) -> Tensor:
        """Return the kernel with its output axis last, behind its input axis."""
        return kernel

    def biased(self, x: Tensor) -> Tensor:
        """Add the bias, if there is one."""
        if not self.spec.bias:
            return x
        return tf.nn.bias_add(x, self.multiplied("bias", self.weight("bias")))

    def multiplied(self, name: str, array: Tensor) -> Tensor:
        """Return an array times its multiplier."""
        multiplier = self.multipliers[name]
        return array if multiplier == 1 else array * self.number(multiplier)

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / tf.maximum(tf.norm(vector), self.number(1e-12))


@build.register(kinds.Dense)
class Dense(Affine):
    """x·kernel + bias."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        return self.biased(context.widen(tf.matmul(*context.narrow(x, self.kernel(context)))))


MAX_FEW_CHANNELS = 4
"""Number of channels up to which TensorFlow's general kernels are faster than oneDNN's."""


def _padding(node: Node, size: tuple[int, ...], sides: list[tuple[int, int]]) -> Any:
    """Return the padding of a convolution: "SAME" or "VALID" if equivalent, else explicit.

    oneDNN has gradients only for those two: a convolution of 128 channels to 1, kernel 7, trains in
    a quarter of the time. For few input channels its input gradient takes twice as long.

    Args:
        size: rows and columns of the input.
        sides: pixels before and after, of rows and of columns.
    """
    layer = node.layer
    is_transposed = isinstance(layer, kinds.Conv2DTranspose)  # swaps input and output
    window = layer.kernel if is_transposed else span(layer)
    if (node.output_shape if is_transposed else node.input_shape)[-1] > MAX_FEW_CHANNELS:
        zips = zip(size, window, layer.stride, strict=True)
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zips]
        if sides == [(total // 2, total - total // 2) for total in totals]:
            return "SAME"
        if not any(map(any, sides)):
            return "VALID"
    return [(0, 0), *sides, (0, 0)]


@build.register(kinds.Conv2D)
class Conv2D(Affine):
    """A convolution with a padding for each of the four sides."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        size = node.input_shape[:2]
        self.sides = list(pads(node.layer, *size))
        self.pads = _padding(node, size, self.sides)

    def call(self, x: Tensor, context: Context) -> Tensor:
        return self.biased(self.convolve(x, self.kernel(context), context))

    def convolve(self, x: Tensor, kernel: Tensor, context: Context) -> Tensor:
        """Return the convolution with a kernel."""
        x, kernel = context.narrow(x, _dilate(kernel, self.spec.dilation))
        if self.spec.groups > 1:
            return context.widen(self._convolve_groups(x, kernel))
        return context.widen(tf.nn.conv2d(x, kernel, self.spec.stride, padding=self.pads))

    def _convolve_groups(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Convolve each group of channels; for the CPU, TensorFlow has gradients of groups only in
        float32 and without explicit padding.
        """
        stride, groups, size = self.spec.stride, self.spec.groups, kernel.shape[2]
        if any(map(any, self.sides)):
            x = tf.pad(x, [(0, 0), *self.sides, (0, 0)])
        if size == 1 and stride[0] == stride[1]:
            depthwise = tf.reshape(kernel, [*kernel.shape[:2], groups, -1])
            return tf.nn.depthwise_conv2d(x, depthwise, [1, *stride, 1], "VALID")
        if x.dtype == tf.float32:
            return tf.nn.conv2d(x, kernel, stride, "VALID")
        parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
        return tf.concat([tf.nn.conv2d(*part, stride, "VALID") for part in parts], -1)


def _dilate(kernel: Tensor, dilation: tuple[int, int]) -> Tensor:
    """Insert zeros into a kernel; for the CPU, TensorFlow cannot differentiate dilation."""
    for axis, step in enumerate(dilation):
        if step > 1:
            shape = list(kernel.shape)
            sparse = tf.expand_dims(kernel, axis + 1)
            sparse = tf.pad(sparse, [(0, (step - 1) * (i == axis + 1)) for i in range(5)])
            shape[axis] *= step
            kernel = tf.reshape(sparse, shape)
            kernel = kernel[: 1 - step] if axis == 0 else kernel[:, : 1 - step]
    return kernel


@build.register(kinds.Conv2DTranspose)
class Conv2DTranspose(Affine):
    """A transposed convolution with a crop, or an extension, for each of the four sides."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        sides, self.size, self.rest = [], [], []
        full = zip(
            crops(node.layer), node.input_shape, self.spec.kernel, self.spec.stride, strict=False
        )
        for (before, after), n, k, s in full:
            # TensorFlow crops the padding of the convolution, and extends the far side by less
            # than a stride
            even, far = max(before, 0), max(after, 1 - s)
            sides.append((even, max(far, 0)))
            self.size.append((n - 1) * s + k - even - far)
            self.rest.append((even - before, far - after))
        self.pads = _padding(node, tuple(self.size), sides)

    def filters_last(self, kernel: Tensor) -> Tensor:
        return tf.transpose(kernel, [0, 1, 3, 2])

    def call(self, x: Tensor, context: Context) -> Tensor:
        return self.biased(self.convolve(x, self.kernel(context), context))

    def convolve(self, x: Tensor, kernel: Tensor, context: Context) -> Tensor:
        """Return the transposed convolution with a kernel."""
        x, kernel = context.narrow(x, kernel)
        out = tf.nn.conv2d_transpose(
            x,
            kernel,
            output_shape=[tf.shape(x)[0], *self.size, self.spec.filters],
            strides=self.spec.stride,
            padding=self.pads,
        )
        out = context.widen(out)
        if any(map(any, self.rest)):
            out = tf.pad(out, [(0, 0), *self.rest, (0, 0)])
        return out


@build.register(kinds.Embedding)
class Embedding(Layer):
    """Class weights times a table, so that a label may lie between two classes."""

    def call(self, x: Tensor) -> Tensor:
        return tf.matmul(x, self.weight("table"))


@build.register(kinds.Constant)
class Constant(Layer):
    """A learned image for each sample."""

    def call(self, x: Tensor) -> Tensor:
        return tf.tile(self.weight("value")[None], [tf.shape(x)[0], 1, 1, 1])


@build.register(kinds.PositionEmbedding)
class PositionEmbedding(Layer):
    """Adds a learned vector to each pixel."""

    def call(self, x: Tensor) -> Tensor:
        return x + self.weight("position")


@build.register(kinds.Bias)
class Bias(Layer):
    """Adds a learned number to each channel."""

    def call(self, x: Tensor) -> Tensor:
        return x + self.weight("bias")
