"""Layers that arrange the same features in another shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from gandem.core.fields import Count, Range
from gandem.core.specs.layers.base import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Layer):
    """(N, H, W, C) → (N, H·W·C), in that order."""

    kind: ClassVar[str] = "flatten"
    reuses_memory: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Layer):
    """Give the features another shape of the same size, in channels-last order."""

    kind: ClassVar[str] = "reshape"
    reuses_memory: ClassVar[bool] = True
    keeps_range: ClassVar[bool] = True
    shape: tuple[Count, ...]

    @property
    def keeps_constant(self) -> bool:  # type: ignore[override]  # a class attribute elsewhere
        """True if the layer flattens."""
        return len(self.shape) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthToSpace(Layer):
    """Sub-pixel upsampling: (N, H, W, C·f²) → (N, H·f, W·f, C). Shi et al. 2016, arXiv:1609.05158.

    Channel c·f² + i·f + j of the input becomes channel c of pixel (i, j) in each block of f × f
    pixels, as in PyTorch's ``pixel_shuffle``. TensorFlow's order is another.
    """

    kind: ClassVar[str] = "depth_to_space"
    keeps_range: ClassVar[bool] = True
    factor: Count = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceToDepth(Layer):
    """The inverse of :class:`DepthToSpace`: (N, H·f, W·f, C) → (N, H, W, C·f²)."""

    kind: ClassVar[str] = "space_to_depth"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True
    factor: Count = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Layer):
    """The channels, or features, from ``start`` to before ``stop``, counted from 0: (N, …, C) → (N,
    …, stop - start). BigGAN reads its noise in such parts (Brock et al. 2018, arXiv:1809.11096).
    """

    kind: ClassVar[str] = "slice"
    keeps_range: ClassVar[bool] = True
    keeps_constant: ClassVar[bool] = True
    start: Annotated[int, Range(0, 2**31 - 1)] = 0
    stop: Count
