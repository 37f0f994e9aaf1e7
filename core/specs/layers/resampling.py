"""Layers that change the number of pixels: upsampling and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gandem.core.fields import Pair
from gandem.core.specs.layers.base import Layer


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
