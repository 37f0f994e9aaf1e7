"""Shapes of layers that arrange the same features."""

from __future__ import annotations

import math

from gandem.core.errors import SpecError, shown
from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Resolved, Site
from gandem.core.specs.shapes.layers.base import resolve


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
