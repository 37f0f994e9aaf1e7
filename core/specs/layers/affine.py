"""Layers with a kernel or a table: dense layers, convolutions, embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gandem.core.fields import Count, Pair
from gandem.core.specs.initializers import GlorotUniform, Initializer, Normal, Zeros
from gandem.core.specs.layers.base import Layer, Pads, Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Layer):
    r"""Affine map of a vector: (N, in) → (N, units). Parameters ``kernel`` (in, units) and
    ``bias`` (units,).

    With ``spectral_norm`` the layer computes with W/σ, where σ follows the largest singular value
    of W by power iteration. Miyato et al. 2018, arXiv:1802.05957.

    .. math:: u = Wv/|Wv|, \quad v = W^T u/|W^T u|, \quad \sigma = u^T W v

    W is the kernel as a matrix (out, in); of both kinds of convolution (out, kh·kw·in), columns in
    that order. Each forward pass in training first makes one such iteration, with norms of at
    least 1e-12; inference leaves u and v unchanged. Gradients pass through the W in σ; u and v
    are constants. ``kernel`` stays W. Running ``left_vector``, u, (out,) and
    ``right_vector``, v, (kh·kw·in,).

    With an equalized learning rate the layer computes with g·W/√fan_in, where g is
    ``equalized_gain``; fan_in is in, of a convolution kh·kw·in/groups. Karras et al. 2018,
    arXiv:1710.10196. ``learning_rate_multiplier`` m: the layer computes with m times the kernel
    and m times the bias, so that an optimizer like Adam changes them m times as fast. Karras et
    al. 2019, arXiv:1812.04948. Neither scales the first values: StyleGAN draws the kernel from a
    normal distribution with std 1/m. Spectral norm divides before both.
    """

    kind: ClassVar[str] = "dense"
    units: Count
    bias: bool = True
    spectral_norm: bool = False
    equalized_gain: Positive | None = None
    learning_rate_multiplier: Positive = 1.0
    kernel_init: Initializer = GlorotUniform()
    bias_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Layer):
    """Convolution (no kernel flip): (N, H, W, in) → (N, H', W', filters). ``kernel`` (kh, kw,
    in/groups, filters).

    ``padding="same"`` is TensorFlow's rule: the output has ⌈H/stride⌉ rows, and the odd pixel of
    padding is added below and right.

    ``dilation``: d leaves out d - 1 pixels between those that a kernel reads, so that it spans
    (kh - 1)·d + 1 rows.
    ``groups``: each contiguous group of filters reads one contiguous group of channels. As many
    groups as channels make a depthwise convolution, with filters/in filters for each channel.
    ``spectral_norm``: see :class:`Dense`.
    ``equalized_gain``: see :class:`Dense`.
    ``learning_rate_multiplier``: see :class:`Dense`.
    """

    kind: ClassVar[str] = "conv2d"
    filters: Count
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Literal["same", "valid"] | Pads = "same"
    dilation: Pair = (1, 1)
    groups: Count = 1
    bias: bool = True
    spectral_norm: bool = False
    equalized_gain: Positive | None = None
    learning_rate_multiplier: Positive = 1.0
    kernel_init: Initializer = GlorotUniform()
    bias_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2DTranspose(Layer):
    """Transposed convolution: (N, H, W, in) → (N, H', W', filters). ``kernel`` (kh, kw, filters,
    in).

    The full result has (H - 1)·stride + kernel rows. ``"valid"`` keeps it; ``"same"`` is
    TensorFlow's rule and leaves H·stride rows; explicit padding crops that many pixels, and a
    negative number adds rows that see only the bias, so PyTorch's ``padding=p, output_padding=o``
    is ``(p, p - o)``.

    ``spectral_norm``: see :class:`Dense`; the rows of W are the filters here too.
    ``equalized_gain``: see :class:`Dense`.
    ``learning_rate_multiplier``: see :class:`Dense`.
    """

    kind: ClassVar[str] = "conv2d_transpose"
    filter_axis: ClassVar[int] = -2
    filters: Count
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Literal["same", "valid"] | Pads = "same"
    bias: bool = True
    spectral_norm: bool = False
    equalized_gain: Positive | None = None
    learning_rate_multiplier: Positive = 1.0
    kernel_init: Initializer = GlorotUniform()
    bias_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Layer):
    """A learned vector for each class: (N, classes) → (N, units). ``table`` (classes, units).

    The label is a vector of class weights (one-hot for a plain label), so that samples between two
    classes are possible.
    """

    kind: ClassVar[str] = "embedding"
    units: Count
    table_init: Initializer = GlorotUniform()


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Layer):
    """A learned image, the same for each sample: (N, …) → (N, H, W, C). ``value`` (H, W, C).

    Only the number of samples comes from the input. Karras et al. 2019, arXiv:1812.04948.
    """

    kind: ClassVar[str] = "constant"
    shape: tuple[Count, Count, Count]
    value_init: Initializer = Normal(mean=0.0, std=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEmbedding(Layer):
    """Add a learned vector to each pixel: (N, H, W, C) → (N, H, W, C). ``position`` (H, W, C).
    Dosovitskiy et al. 2021, arXiv:2010.11929.
    """

    kind: ClassVar[str] = "position_embedding"
    keeps_constant: ClassVar[bool] = True
    position_init: Initializer = Normal(mean=0.0, std=0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias(Layer):
    """Add a learned number to each channel, or feature: ``bias`` (C,)."""

    kind: ClassVar[str] = "bias"
    keeps_constant: ClassVar[bool] = True
    bias_init: Initializer = Zeros()
