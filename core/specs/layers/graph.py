"""Layers that contain layers or read other inputs.

An input is ``"noise"``, ``"image"``, ``"label"``, or the output of an earlier layer of the same
network, ``"layer:NAME"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gandem.core.fields import Count
from gandem.core.specs.layers.base import Layer, Proportion


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenate(Layer):
    """Append another input of the network along the channels, after passing it through ``layers``.

    ``input = "layer:stem"`` is the output of the earlier layer ``stem``, ``"layer:block/stem"``
    that of a layer inside ``block``, where ``"layer:stem"`` is enough; other layers read inputs in
    the same way. With ``planes`` a vector becomes constant image planes: (N, C) beside (N, H, W, D)
    gives (N, H, W, D + C).
    """

    kind: ClassVar[str] = "concatenate"
    keeps_order: ClassVar[bool] = True
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str = "label"
    planes: bool = False
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Layer):
    """x + layers(input), of one shape. The input is usually an earlier layer: a skip connection."""

    kind: ClassVar[str] = "add"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot(Layer):
    """⟨x, layers(input)⟩: the inner product of two vectors, (N, D) → (N, 1).

    Added to the logit, that of features and an embedded label is the projection discriminator of
    Miyato & Koyama 2018, arXiv:1802.05637.
    """

    kind: ClassVar[str] = "dot"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str = "label"
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Layer):
    """Continue from another input instead of x: (N, …) → the other input.

    It takes up an earlier layer again after a side output, such as an image of a lower resolution.
    """

    kind: ClassVar[str] = "read"
    input: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual(Layer):
    """layers(x) + shortcut(x); an empty shortcut is x itself. He et al. 2015, arXiv:1512.03385."""

    kind: ClassVar[str] = "residual"
    branch_names: ClassVar[tuple[str, ...]] = ("layers", "shortcut")
    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend(Layer):
    """weight·x + (1 - weight)·layers(input), of one shape."""

    kind: ClassVar[str] = "blend"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    input: str
    weight: Proportion
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FadeIn(Blend):
    """A blend whose weight is the fade-in weight of the step, an input of the network (1, 1).

    It has no kind, so no spec can name it: the networks of stages are made with it.
    """

    kind: ClassVar[str] = ""
    weight: Proportion = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Layer):
    """layers(x), at the end of the generator, or at the beginning of a network that reads images,
    in the stages of one resolution. Karras et al. 2018, arXiv:1710.10196.

    ``resolution``: height of the images in pixels, as in ``training.stages``.
    """

    kind: ClassVar[str] = "head"
    branch_names: ClassVar[tuple[str, ...]] = ("layers",)
    resolution: Count
    layers: tuple[Layer, ...]
