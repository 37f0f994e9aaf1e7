"""Shapes of layers that arrange the same features."""

from __future__ import annotations

import math

from gandem.core.errors import SpecError, shown
from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Resolved, Site
from gandem.core.specs.shapes.layers.base import expect_image, resolve


@resolve.register
def _(layer: kinds.Flatten, site: Site) -> Resolved:
    return Resolved((math.prod(site.shape),))


@resolve.register
def _(layer: kinds.Reshape, site: Site) -> Resolved:
    if len(layer.shape) not in (1, 3):
        raise SpecError(
            f"{site.path}: a shape is [features] or [height, width, channels], "
            f"received {shown(list(layer.shape))}."
        )
    received, expected = math.prod(site.shape), math.prod(layer.shape)
    if received != expected:
        raise SpecError(
            f"{site.path}: {received} features {site.shape} do not fill {layer.shape}, which takes "
            f"{expected}; change the reshape or the layer before it."
        )
    return Resolved(layer.shape)


@resolve.register
def _(layer: kinds.DepthToSpace, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    if channels % layer.factor**2:
        raise SpecError(
            f"{site.path}: {channels} channels do not divide into blocks of {layer.factor} × "
            f"{layer.factor} pixels; give the layer before it a multiple of {layer.factor**2}."
        )
    return Resolved((height * layer.factor, width * layer.factor, channels // layer.factor**2))


@resolve.register
def _(layer: kinds.SpaceToDepth, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    if height % layer.factor or width % layer.factor:
        raise SpecError(
            f"{site.path}: {height} × {width} pixels do not divide into blocks of {layer.factor} × "
            f"{layer.factor}; choose a factor that divides both."
        )
    return Resolved((height // layer.factor, width // layer.factor, channels * layer.factor**2))


@resolve.register
def _(layer: kinds.Slice, site: Site) -> Resolved:
    *pixels, channels = site.shape
    if not layer.start < layer.stop <= channels:
        raise SpecError(
            f"{site.path}: it slices from {layer.start} to {layer.stop} of {channels} channels; "
            f"choose 0 ≤ start < stop ≤ {channels}."
        )
    return Resolved((*pixels, layer.stop - layer.start))
