"""Layers that arrange the same features in another shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gandem.core.fields import Count
from gandem.core.specs.layers.base import Layer


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
