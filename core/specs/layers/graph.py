"""Layers that contain layers or read other inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gandem.core.specs.layers.base import Layer


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
