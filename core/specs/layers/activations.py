"""Layers that act on each feature alone: activations and dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from gandem.core.fields import Range
from gandem.core.specs.initializers import Initializer, Normal
from gandem.core.specs.layers.base import Draws, Layer, Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(Layer):
    """A layer that acts on each feature alone."""

    keeps_order: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Elementwise):
    """max(x, 0), with derivative 0 at 0."""

    kind: ClassVar[str] = "relu"
    reuses_memory: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyRelu(Elementwise):
    """gain·x for x > 0, else gain·slope·x. StyleGAN's gain is √2, which keeps the variance."""

    kind: ClassVar[str] = "leaky_relu"
    reuses_memory: ClassVar[bool] = True
    slope: float
    gain: Positive = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Elu(Elementwise):
    """x for x > 0, else alpha·(exp(x) - 1). Clevert et al. 2015, arXiv:1511.07289."""

    kind: ClassVar[str] = "elu"
    alpha: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silu(Elementwise):
    """x·sigmoid(x), also called swish. Elfwing et al. 2017, arXiv:1702.03118."""

    kind: ClassVar[str] = "silu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selu(Elementwise):
    """1.0507…·x for x > 0, else 1.0507…·1.6732…·(exp(x) - 1). Klambauer et al. 2017,
    arXiv:1706.02515.
    """

    kind: ClassVar[str] = "selu"
    alpha: ClassVar[float] = 1.6732632423543772848170429916717
    scale: ClassVar[float] = 1.0507009873554804934193349852946


@dataclass(frozen=True, slots=True, kw_only=True)
class Gelu(Elementwise):
    r"""x·Φ(x), where Φ is the standard normal distribution function. Hendrycks & Gimpel 2016,
    arXiv:1606.08415.

    .. math:: \Phi(x) = \tfrac12(1 + \operatorname{erf}(x/\sqrt2)) \approx
        \tfrac12(1 + \tanh(\sqrt{2/\pi}(x + 0.044715x^3)))

    ``approximation="tanh"`` is the second form.
    """

    kind: ClassVar[str] = "gelu"
    approximation: Literal["none", "tanh"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Softplus(Elementwise):
    """log(1 + exp(x))."""

    kind: ClassVar[str] = "softplus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelu(Elementwise):
    """x for x > 0, else slope·x, with a learned slope for each channel. ``slope`` (C,). He et al.
    2015, arXiv:1502.01852.
    """

    kind: ClassVar[str] = "prelu"
    slope_init: Initializer = Normal(mean=0.25, std=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh(Elementwise):
    """Hyperbolic tangent, for images in [-1, 1]."""

    kind: ClassVar[str] = "tanh"
    output_range: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid(Elementwise):
    """1 / (1 + exp(-x)), for images in [0, 1]; never at the end of a discriminator, which returns
    logits.
    """

    kind: ClassVar[str] = "sigmoid"
    output_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Elementwise):
    """Set each unit to zero with probability ``rate`` in training, and scale up the rest.

    Srivastava et al. 2014. Core draws one mask for each pass, with the rate rounded to 1/256; at
    most 255/256.
    """

    kind: ClassVar[str] = "dropout"
    draws: ClassVar[Draws | None] = "mask"
    rate: Annotated[float, Range(0, 255 / 256)]

    @property
    def mask_rate(self) -> float:
        """Probability of False in the mask."""
        return self.rate
