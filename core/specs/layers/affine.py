"""Layers with a kernel or a table: dense layers, convolutions, embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gandem.core.fields import Count, Pair
from gandem.core.specs.initializers import GlorotUniform, Initializer, Zeros
from gandem.core.specs.layers.base import Layer, Pads


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
    """

    kind: ClassVar[str] = "dense"
    units: Count
    bias: bool = True
    spectral_norm: bool = False
    kernel_init: Initializer = GlorotUniform()
    bias_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Layer):
    """Convolution (no kernel flip): (N, H, W, in) → (N, H', W', filters). ``kernel`` (kh, kw, in,
    filters).

    ``padding="same"`` is TensorFlow's rule: the output has ⌈H/stride⌉ rows, and the odd pixel of
    padding is added below and right. ``spectral_norm``: see :class:`Dense`.
    """

    kind: ClassVar[str] = "conv2d"
    filters: Count
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Literal["same", "valid"] | Pads = "same"
    bias: bool = True
    spectral_norm: bool = False
    kernel_init: Initializer = GlorotUniform()
    bias_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2DTranspose(Layer):
    """Transposed convolution: (N, H, W, in) → (N, H', W', filters). ``kernel`` (kh, kw, filters,
    in).

    The full result has (H - 1)·stride + kernel rows. ``"valid"`` keeps it; ``"same"`` is
    TensorFlow's rule and leaves H·stride rows; explicit padding crops that many pixels, and a
    negative number adds rows that see only the bias, so PyTorch's ``padding=p, output_padding=o``
    is ``(p, p - o)``. ``spectral_norm``: see :class:`Dense`; the rows of W are the filters here
    too.
    """

    kind: ClassVar[str] = "conv2d_transpose"
    filters: Count
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Literal["same", "valid"] | Pads = "same"
    bias: bool = True
    spectral_norm: bool = False
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
