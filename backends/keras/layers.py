"""Layers in Keras, built from TensorFlow operations.

Keras's own norms, LeakyReLU, resizing and transposed convolutions differ from the spec in value or
second derivative, so every layer here is our own. Images are (N, H, W, C); parameters have
canonical layouts and names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import tensorflow as tf
from tensorflow import Tensor

from gandem.core import specs as kinds
from gandem.core.rng import dropout_levels
from gandem.core.specs import Node, crops, interpolation, pads


@dataclass
class Context:
    """The inputs of the network by name, the dropout masks by the path of their layer, modes."""

    inputs: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    training: bool = False
    mixed: bool = False

    def narrow(self, *factors: Tensor) -> tuple[Tensor, ...]:
        """Round the factors of a product to bfloat16 in mixed precision."""
        return tuple(tf.cast(x, tf.bfloat16) for x in factors) if self.mixed else factors

    def widen(self, product: Tensor) -> Tensor:
        """Cast a product of such factors back to float32."""
        return tf.cast(product, tf.float32) if self.mixed else product


class Layer(keras.layers.Layer):
    """A layer of a node; it creates its weights at once, since the plan has every shape."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(name=node.path.rsplit("/", 1)[1], dtype=dtype)
        self.spec: Any = layer
        self.path_in_spec = node.path
        self.arrays = {
            p.name: self.add_weight(
                name=p.name.rsplit("/", 1)[1], shape=p.shape, initializer="zeros", trainable=trained
            )
            for group, trained in ((node.parameters, True), (node.statistics, False))
            for p in group
        }
        self.short = {name.rsplit("/", 1)[1]: weight for name, weight in self.arrays.items()}
        self.built = True

    def weight(self, name: str) -> Tensor:
        """Return a parameter or running statistic by its short name."""
        return self.short[name].value

    def number(self, value: float) -> Tensor:
        """Return a constant in the layer's precision; Keras casts through float32."""
        return tf.constant(value, self.compute_dtype)


@singledispatch
def build(layer: kinds.Layer, node: Node, dtype: str) -> Layer:
    """Return the layer of a node."""
    raise TypeError(f"{node.path}: the Keras backend does not know the layer {layer.kind!r}.")


# --- affine --------------------------------------------------------------------------------------


class Affine(Layer):
    """A layer with a kernel, and optionally a bias and spectral norm."""

    def kernel(self, context: Context) -> Tensor:
        """Return the kernel, divided by its largest singular value if the layer has spectral norm.

        Keras's SpectralNormalization overwrites the kernel and omits σ from the gradient.
        Miyato et al. 2018, arXiv:1802.05957.
        """
        kernel = self.weight("kernel")
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
        """Return the kernel with its output axis last."""
        return kernel

    def biased(self, x: Tensor) -> Tensor:
        """Add the bias, if there is one."""
        return tf.nn.bias_add(x, self.weight("bias")) if self.spec.bias else x

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
    if (node.output_shape if is_transposed else node.input_shape)[-1] > MAX_FEW_CHANNELS:
        zips = zip(size, layer.kernel, layer.stride, strict=True)
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
        self.pads = _padding(node, size, list(pads(node.layer, *size)))

    def call(self, x: Tensor, context: Context) -> Tensor:
        x, kernel = context.narrow(x, self.kernel(context))
        out = tf.nn.conv2d(x, kernel, self.spec.stride, padding=self.pads)
        return self.biased(context.widen(out))


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
        x, kernel = context.narrow(x, self.kernel(context))
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
        return self.biased(out)


@build.register(kinds.Embedding)
class Embedding(Layer):
    """Class weights times a table, so that a label may lie between two classes."""

    def call(self, x: Tensor) -> Tensor:
        return tf.matmul(x, self.weight("table"))


# --- sizes ---------------------------------------------------------------------------------------


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


@build.register(kinds.Flatten)
@build.register(kinds.Reshape)
class Reshape(Layer):
    """Reshapes the features."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        self.shape = node.output_shape

    def call(self, x: Tensor) -> Tensor:
        return tf.reshape(x, [-1, *self.shape])


# --- norms ---------------------------------------------------------------------------------------


def _moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, x - mean, and biased variance.

    tf.nn.moments stops the gradient at the mean, so its second derivatives are wrong. The mean is
    computed twice: the second pass corrects the rounding of the first.
    """
    rough = tf.stop_gradient(tf.reduce_mean(x, axes, keepdims=True))
    mean = rough + tf.reduce_mean(x - rough, axes, keepdims=True)
    centered = x - mean
    return mean, centered, tf.reduce_mean(centered * centered, axes, keepdims=True)


@build.register(kinds.BatchNorm)
class BatchNorm(Layer):
    """Batch norm with its running statistics."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        epsilon = self.number(self.spec.epsilon)
        if not context.training:
            factor = self.weight("scale") * tf.math.rsqrt(self.weight("variance") + epsilon)
            return (x - self.weight("mean")) * factor + self.weight("offset")
        if x.dtype == tf.float32:
            return self._fused(x)
        axes = tuple(range(x.shape.rank - 1))
        mean, centered, variance = _moments(x, axes)
        count = self._count(x)
        factor = 1 if self.spec.running_variance == "biased" else count / (count - 1)
        self._follow("mean", tf.reshape(mean, [-1]))
        self._follow("variance", tf.reshape(variance, [-1]) * factor)
        return centered * tf.math.rsqrt(variance + epsilon) * self.weight("scale") + self.weight(
            "offset"
        )

    def _fused(self, x: Tensor) -> Tensor:
        """Compute batch norm in float32 with one operation, in a third of the time.

        Vectors are reshaped, not indexed, because the gradient of indexing copies.
        """
        found = tf.raw_ops.FusedBatchNormV3(
            x=x if x.shape.rank == 4 else tf.reshape(x, [-1, 1, 1, x.shape[-1]]),
            scale=self.weight("scale"),
            offset=self.weight("offset"),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=self.spec.epsilon,
            is_training=True,
        )
        variance = found.batch_variance  # the unbiased one
        if self.spec.running_variance == "biased":
            variance *= 1 - 1 / self._count(x)
        self._follow("mean", found.batch_mean)
        self._follow("variance", variance)
        return found.y if x.shape.rank == 4 else tf.reshape(found.y, [-1, x.shape[-1]])

    @staticmethod
    def _count(x: Tensor) -> Tensor:
        """Return the number of values of a channel."""
        return tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)

    def _follow(self, name: str, new: Tensor) -> None:
        kept, taken = self.number(self.spec.decay), self.number(1 - self.spec.decay)
        old = self.weight(name)
        old.assign(old * kept + tf.stop_gradient(new) * taken)


@build.register(kinds.LayerNorm)
class LayerNorm(Layer):
    """Layer norm over all features, or over the channels of each pixel."""

    def call(self, x: Tensor) -> Tensor:
        axes = tuple(range(1, x.shape.rank)) if self.spec.over == "all" else (-1,)
        _, centered, variance = _moments(x, axes)
        normed = centered * tf.math.rsqrt(variance + self.number(self.spec.epsilon))
        return normed * self.weight("scale") + self.weight("offset")


@build.register(kinds.GroupNorm)
@build.register(kinds.InstanceNorm)
class GroupNorm(Layer):
    """Norm over contiguous groups of channels and all pixels."""

    def __init__(self, layer: kinds.Layer, node: Node, dtype: str) -> None:
        super().__init__(layer, node, dtype)
        channels = node.input_shape[-1]
        self.groups = self.spec.groups if isinstance(self.spec, kinds.GroupNorm) else channels
        self.shape = node.input_shape

    def call(self, x: Tensor) -> Tensor:
        *pixels, channels = self.shape
        grouped = tf.reshape(x, [-1, *pixels, self.groups, channels // self.groups])
        axes = (*range(1, len(pixels) + 1), -1)
        _, centered, variance = _moments(grouped, axes)
        normed = centered * tf.math.rsqrt(variance + self.number(self.spec.epsilon))
        return tf.reshape(normed, [-1, *self.shape]) * self.weight("scale") + self.weight("offset")


# --- pointwise -----------------------------------------------------------------------------------


@build.register(kinds.Dropout)
class Dropout(Layer):
    """Dropout with a mask from core; without one (in a user's own loop) it draws its own."""

    def call(self, x: Tensor, context: Context) -> Tensor:
        if not context.training:
            return x
        rate = dropout_levels(self.spec.rate) / 256
        mask = context.masks.get(self.path_in_spec)
        if mask is None:
            mask = tf.random.uniform(tf.shape(x)) >= rate
        return x * (tf.cast(mask, x.dtype) * self.number(1 / (1 - rate)))


@build.register(kinds.Relu)
@build.register(kinds.LeakyRelu)
@build.register(kinds.Elu)
@build.register(kinds.Silu)
@build.register(kinds.Tanh)
@build.register(kinds.Sigmoid)
class Activation(Layer):
    """A function of each feature alone."""

    def call(self, x: Tensor) -> Tensor:
        match self.spec:
            case kinds.Relu():
                return tf.nn.relu(x)
            case kinds.LeakyRelu(slope=slope) if x.dtype == tf.float64:
                return tf.where(x > 0, x, self.number(slope) * x)
            case kinds.LeakyRelu(slope=slope):  # one pass, but the slope is held in float32
                return tf.nn.leaky_relu(x, slope)
            case kinds.Elu(alpha=alpha):
                # expm1 of the positive side would overflow into the gradient of where
                below = self.number(alpha) * tf.math.expm1(tf.minimum(x, 0))
                return tf.where(x > 0, x, below)
            case kinds.Silu():
                return x * tf.sigmoid(x)
            case kinds.Tanh():
                return tf.tanh(x)
            case _:
                return tf.sigmoid(x)
