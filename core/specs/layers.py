"""Layers as data. No number is left to a framework's default.

Images are channels-last, ``(height, width, channels)``; vectors are ``(features,)``; shapes are
without the batch axis. Output shapes and parameters are in ``layer_shapes.py``. Facts about a
layer that other modules need are class attributes and properties here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from gandem.core.fields import KINDS, Checked, Count, Fraction, Pair, Range
from gandem.core.specs.initializers import GlorotUniform, Initializer, Ones, Zeros

Pixels = Annotated[int, Range(-(2**31), 2**31 - 1)]
Pads = tuple[tuple[Pixels, Pixels], tuple[Pixels, Pixels]]
"""Explicit padding: ((top, bottom), (left, right)), in pixels."""
Positive = Annotated[float, Range(0, open_low=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(Checked):
    """One layer of a network.

    ``name`` is part of the canonical names of its parameters. The default is the kind, numbered
    (``conv2d``, ``conv2d_1``, …).
    """

    kind: ClassVar[str] = ""
    keeps_range: ClassVar[bool] = False
    """Outputs lie between the smallest and the largest input."""
    output_range: ClassVar[tuple[float, float] | None] = None
    """The open interval of the outputs, whatever the inputs."""
    depends_on_batch: ClassVar[bool] = False
    """The output of an image depends on the other images of the batch."""
    keeps_constant: ClassVar[bool] = False
    """Adding a constant to each input channel adds a constant to each output channel."""
    draws_mask: ClassVar[bool] = False
    """Each pass in training takes a Boolean mask, shaped like the output, from core."""
    name: str | None = None

    @property
    def has_spectral_norm(self) -> bool:
        """True if the layer divides a weight by its spectral norm."""
        return getattr(self, "spectral_norm", False)

    @property
    def mask_rate(self) -> float:
        """Probability of False in the mask."""
        return 0.0

    def removes_constant(self, channels: int) -> bool:
        """Return True if adding a constant to each of the input channels changes nothing."""
        return False


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
class Upsample2D(Layer):
    """Upsample an image by whole factors; bilinear with half-pixel centers (PyTorch's
    ``align_corners=False``).
    """

    kind: ClassVar[str] = "upsample2d"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True
    factor: Pair = (2, 2)
    method: Literal["nearest", "bilinear"] = "nearest"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2D(Layer):
    """Maximum over windows; padding (TensorFlow's ``"same"``) is never the maximum."""

    kind: ClassVar[str] = "max_pool2d"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True
    size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Literal["same", "valid"] = "valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool2D(Layer):
    """Mean over windows; padding (TensorFlow's ``"same"``) is not counted."""

    kind: ClassVar[str] = "average_pool2d"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True
    size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Literal["same", "valid"] = "valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalMaxPool2D(Layer):
    """Maximum over all pixels: (N, H, W, C) → (N, C). Ties share the gradient."""

    kind: ClassVar[str] = "global_max_pool2d"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalAveragePool2D(Layer):
    """Mean over all pixels: (N, H, W, C) → (N, C)."""

    kind: ClassVar[str] = "global_average_pool2d"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Layer):
    """(N, H, W, C) → (N, H·W·C), in that order."""

    kind: ClassVar[str] = "flatten"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Layer):
    """Give the features another shape of the same size, in channels-last order."""

    kind: ClassVar[str] = "reshape"
    keeps_range: ClassVar[bool] = True
    shape: tuple[Count, ...]

    @property
    def keeps_constant(self) -> bool:  # type: ignore[override]  # a class attribute elsewhere
        """True if the layer flattens."""
        return len(self.shape) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(Layer):
    r"""Normalize each channel over batch and pixels. Ioffe & Szegedy 2015, arXiv:1502.03167.

    Training uses the biased variance of the batch. The running statistics keep ``decay`` of their
    old value. ``running_variance`` is the batch variance that they follow: the unbiased one, which
    is n/(n-1) times the biased one, as in PyTorch, or the biased one, as in Keras. Inference uses
    the running statistics. ``scale``, ``offset`` (C,); running ``mean``, ``variance`` (C,).
    """

    kind: ClassVar[str] = "batch_norm"
    depends_on_batch: ClassVar[bool] = True
    epsilon: Positive = 1e-5
    decay: Fraction = 0.9
    running_variance: Literal["unbiased", "biased"] = "unbiased"
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()

    def removes_constant(self, channels: int) -> bool:
        """Return True: the mean of each channel is subtracted."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNorm(Layer):
    """Normalize each sample. Ba et al. 2016, arXiv:1607.06450.

    ``over="all"``: over every feature at once, ``scale`` and ``offset`` shaped like the features.
    ``over="channels"``: over the channels of each pixel, ``scale`` and ``offset`` (C,).
    """

    kind: ClassVar[str] = "layer_norm"
    over: Literal["all", "channels"] = "all"
    epsilon: Positive = 1e-5
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNorm(Layer):
    """Normalize contiguous groups of channels of each sample. Wu & He 2018, arXiv:1803.08494.
    ``scale`` (C,).
    """

    kind: ClassVar[str] = "group_norm"
    groups: Count
    epsilon: Positive = 1e-5
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()

    def removes_constant(self, channels: int) -> bool:
        """Return True if each channel is a group of its own."""
        return self.groups == channels


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceNorm(Layer):
    """Normalize each channel of each sample over its pixels. Ulyanov et al. 2016,
    arXiv:1607.08022. ``scale`` (C,).
    """

    kind: ClassVar[str] = "instance_norm"
    epsilon: Positive = 1e-5
    scale_init: Initializer = Ones()
    offset_init: Initializer = Zeros()

    def removes_constant(self, channels: int) -> bool:
        """Return True: the mean of each channel is subtracted."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Layer):
    """Set each unit to zero with probability ``rate`` in training, and scale up the rest.

    Srivastava et al. 2014. Core draws one mask for each pass, with the rate rounded to 1/256; at
    most 255/256.
    """

    kind: ClassVar[str] = "dropout"
    draws_mask: ClassVar[bool] = True
    rate: Annotated[float, Range(0, 255 / 256)]

    @property
    def mask_rate(self) -> float:
        """Probability of False in the mask."""
        return self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Layer):
    """max(x, 0), with derivative 0 at 0."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyRelu(Layer):
    """x for x > 0, else slope·x."""

    kind: ClassVar[str] = "leaky_relu"
    slope: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Elu(Layer):
    """x for x > 0, else alpha·(exp(x) - 1). Clevert et al. 2015, arXiv:1511.07289."""

    kind: ClassVar[str] = "elu"
    alpha: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silu(Layer):
    """x·sigmoid(x), also called swish. Elfwing et al. 2017, arXiv:1702.03118."""

    kind: ClassVar[str] = "silu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh(Layer):
    """Hyperbolic tangent, for images in [-1, 1]."""

    kind: ClassVar[str] = "tanh"
    output_range: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid(Layer):
    """1 / (1 + exp(-x)), for images in [0, 1]; never at the end of a discriminator, which returns
    logits.
    """

    kind: ClassVar[str] = "sigmoid"
    output_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)


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
class Concatenate(Layer):
    """Append another input of the network along the channels, after passing it through ``layers``.

    With ``planes`` a vector becomes constant image planes: (N, C) beside (N, H, W, D) gives (N, H,
    W, D + C).
    """

    kind: ClassVar[str] = "concatenate"
    input: str = "label"
    planes: bool = False
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual(Layer):
    """layers(x) + shortcut(x); an empty shortcut is x itself. He et al. 2015, arXiv:1512.03385."""

    kind: ClassVar[str] = "residual"
    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


LAYERS: dict[str, type[Layer]] = {
    cls.kind: cls
    for cls in list(globals().values())
    if isinstance(cls, type) and issubclass(cls, Layer) and cls is not Layer
}
KINDS[Layer] = LAYERS
