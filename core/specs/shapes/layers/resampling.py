"""Shapes of upsampling and pooling."""

from __future__ import annotations

from gandem.core.specs import layers as kinds
from gandem.core.specs.layers import Layer
from gandem.core.specs.shapes.geometry import pads, window_size
from gandem.core.specs.shapes.graph import Resolved, Site
from gandem.core.specs.shapes.layers.base import expect_fit, expect_image, resolve


@resolve.register
def _(layer: kinds.Upsample2D, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    return Resolved((height * layer.factor[0], width * layer.factor[1], channels))


@resolve.register(kinds.MaxPool2D)
@resolve.register(kinds.AveragePool2D)
def _(layer: kinds.MaxPool2D | kinds.AveragePool2D, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    pad = pads(layer, height, width)
    remedy = "use padding 'same' or a smaller size"
    size = (
        expect_fit(
            window_size(height, layer.size[0], layer.stride[0], pad[0]),
            site.path, "height", height, layer.size[0], remedy,
        ),
        expect_fit(
            window_size(width, layer.size[1], layer.stride[1], pad[1]),
            site.path, "width", width, layer.size[1], remedy,
        ),
    )  # fmt: skip
    return Resolved((*size, channels))


@resolve.register(kinds.GlobalMaxPool2D)
@resolve.register(kinds.GlobalAveragePool2D)
def _(layer: Layer, site: Site) -> Resolved:
    return Resolved((expect_image(site)[2],))
