"""Layers that a vector modulates, as a label or a style; style vectors; noise on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from gandem.core.fields import Count, Fraction, Range
from gandem.core.specs.initializers import Initializer, Zeros
from gandem.core.specs.layers.affine import Conv2D, Conv2DTranspose
from gandem.core.specs.layers.base import Draws, Layer, Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Modulate(Layer):
    """x·(1 + scale) + offset, both computed by layers from another input of the network.

    Each ends in C numbers for the C channels, or in the shape of the features. After a norm with
    ``affine = false`` this is a conditional norm: of ``batch_norm`` with ``input = "label"``
    conditional batch norm (Dumoulin et al. 2016, arXiv:1610.07629), of ``instance_norm`` with a
    style vector AdaIN (Huang & Belongie 2017, arXiv:1703.06868).
    """

    kind: ClassVar[str] = "modulate"
    branch_names: ClassVar[tuple[str, ...]] = ("scale", "offset")
    input: str = "label"
    scale: tuple[Layer, ...]
    offset: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiply(Layer):
    """x·layers(input), which has the shape of x or one number for each channel."""

    kind: ClassVar[str] = "multiply"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModulatedConv2D(Conv2D):
    r"""Convolution whose input channels are scaled by a style vector. Karras et al. 2019,
    arXiv:1912.04958.

    .. math:: w'_{ijk} = s_i w_{ijk}, \quad w''_{ijk} = \frac{w'_{ijk}}
        {\sqrt{\sum_{ik} (w'_{ijk})^2 + \epsilon}}

    The style s, (N, in), is the result of ``layers`` on another input of the network; i are input
    channels, j filters, k positions in the kernel. ``demodulate`` divides by the root. The bias is
    added afterwards. Other fields: see :class:`Conv2D`.
    """

    kind: ClassVar[str] = "modulated_conv2d"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str
    layers: tuple[Layer, ...] = ()
    demodulate: bool = True
    epsilon: Positive = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class ModulatedConv2DTranspose(Conv2DTranspose):
    """Transposed convolution whose input channels are scaled by a style vector: the upsampling of
    StyleGAN2. Its fields are those of :class:`Conv2DTranspose` and :class:`ModulatedConv2D`.
    """

    kind: ClassVar[str] = "modulated_conv2d_transpose"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str
    layers: tuple[Layer, ...] = ()
    demodulate: bool = True
    epsilon: Positive = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Styles(Layer):
    r"""``count`` copies of a style vector w, the result of ``layers``: (N, …) → (N, count·D).
    Layers that take different copies (:class:`Slice`) can be given different styles. Karras et al.
    2019, arXiv:1812.04948.

    ``mixing`` is the probability of style mixing. In training core draws another noise vector and
    a number u, uniform from 0 to 1, for each image. Copy k, from 0, is that of the other vector
    where :math:`u < \text{mixing} \cdot k / (\text{count} - 1)`: with this probability the copies
    from a random one on change, and the first never does. The layer is then the first of the
    generator and reads its noise.

    Running ``mean`` (D,), to which truncation moves styles: it keeps ``decay`` of its old value,
    and the rest is the mean of w over the batch, without those of mixing.
    """

    kind: ClassVar[str] = "styles"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    layers: tuple[Layer, ...]
    count: Count
    mixing: Annotated[float, Range(0, 1)] = 0.0
    decay: Fraction = 0.995

    @property
    def draws(self) -> Draws | None:  # type: ignore[override]  # a class attribute elsewhere
        """What style mixing takes from core."""
        return "mixing" if self.mixing else None

    @property
    def shares(self) -> tuple[float, ...]:
        """The probability that each copy is that of the other noise vector."""
        return tuple(self.mixing * k / max(self.count - 1, 1) for k in range(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelNoise(Layer):
    """Add normal noise, one number for each pixel, times a learned strength: (N, H, W, C) → (N, H,
    W, C). Karras et al. 2018, arXiv:1812.04948; with one ``strength`` (1,) as in arXiv:1912.04958.

    Core draws the noise (N, H, W, 1) for each pass in training. Inference adds none, so that images
    depend only on the latent vector.
    """

    kind: ClassVar[str] = "pixel_noise"
    keeps_constant: ClassVar[bool] = True
    draws: ClassVar[Draws | None] = "normal"
    strength_init: Initializer = Zeros()
