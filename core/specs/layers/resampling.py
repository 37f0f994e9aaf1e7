"""Layers that change the number of pixels: upsampling and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gandem.core.fields import Pair
from gandem.core.specs.layers.base import Layer, Pads


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
class GlobalSumPool2D(Layer):
    """Sum over all pixels: (N, H, W, C) → (N, C)."""

    kind: ClassVar[str] = "global_sum_pool2d"
    keeps_constant: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resample2D(Layer):
    """Blur with a fixed filter, while the image becomes ``up`` times as large and ``down`` times as
    small: (N, H, W, C) → (N, ⌊H·up/down⌋, ⌊W·up/down⌋, C). Karras et al. 2020, arXiv:1912.04958,
    whose ``upfirdn2d`` this is.

    Along each axis: the image continues as zeros or as its mirror image, which does not repeat the
    edge; up - 1 zeros are inserted behind each pixel; the result is convolved with ``filter``
    divided by its sum and times up; the first and every down-th pixel is kept. The
    (taps + up - down) // 2 taps before the first pixel are padding. ``gain`` multiplies the
    result. The filter (1, 3, 3, 1) is StyleGAN2's, (1, 2, 1) StyleGAN's.

    Explicit padding adds so many zeros, between which the up - 1 zeros already lie, and leaves
    ⌊(H·up + before + after - taps)/down⌋ + 1 rows.
    """

    kind: ClassVar[str] = "resample2d"
    filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    up: Pair = (1, 1)
    down: Pair = (1, 1)
    padding: Literal["zero", "reflect"] | Pads = "zero"
    gain: float = 1.0

    @property
    def keeps_constant(self) -> bool:  # type: ignore[override]  # a class attribute elsewhere
        """True if all pixels read as many taps."""
        return self.padding == "reflect" and self.up == (1, 1)
