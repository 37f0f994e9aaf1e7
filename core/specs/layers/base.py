"""What all layers have in common, and the types of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from gandem.core.fields import Checked, Range

Pixels = Annotated[int, Range(-(2**31), 2**31 - 1)]
Pads = tuple[tuple[Pixels, Pixels], tuple[Pixels, Pixels]]
"""Explicit padding: ((top, bottom), (left, right)), in pixels."""
Positive = Annotated[float, Range(0, open_low=True)]
Draws = Literal["mask", "normal", "mixing"]
"""What a layer takes from core in each pass in training: a Boolean mask shaped like the output, a
normal number for each pixel, or another noise vector followed by a uniform number.
"""
Proportion = Annotated[float, Range(0, 1)]
"""0 ≤ x ≤ 1."""


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
    reuses_memory: ClassVar[bool] = False
    """The output can take the memory of the input, which gradients do not need."""
    keeps_order: ClassVar[bool] = False
    """Reordered features of a vector, with parameters in the same order, give outputs reordered
    alike.
    """
    draws: ClassVar[Draws | None] = None
    filter_axis: ClassVar[int] = -1
    """The axis of its kernel that counts filters, or units."""
    branch_names: ClassVar[tuple[str, ...]] = ()
    """The fields that hold layers."""
    name: str | None = None

    @property
    def branches(self) -> dict[str, tuple[Layer, ...]]:
        """The lists of layers in its fields, by name."""
        return {name: getattr(self, name) for name in self.branch_names}

    @property
    def reads(self) -> str:
        """The input of the network, or the earlier layer, that it reads; empty if none."""
        return getattr(self, "input", "")

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
