"""Shapes of upsampling and pooling."""

from __future__ import annotations

import math

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.layers import Layer
from gandem.core.specs.shapes.geometry import pads, resampled_size, window_size
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
@resolve.register(kinds.GlobalSumPool2D)
def _(layer: Layer, site: Site) -> Resolved:
    return Resolved((expect_image(site)[2],))


@resolve.register
def _(layer: kinds.Resample2D, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    total = math.fsum(layer.filter)
    if abs(total) <= 1e-6 * math.fsum(map(abs, layer.filter)):
        raise SpecError(
            f"{site.path}: the taps of its filter have the sum {total:g}, by which they are "
            "divided; choose others."
        )
    new_height = _resampled_size(layer, site.path, height, 0)
    new_width = _resampled_size(layer, site.path, width, 1)
    products = (height + new_width) * new_height * width * channels  # a matrix for each axis
    return Resolved((new_height, new_width, channels), multiply_adds=products)


def _resampled_size(layer: kinds.Resample2D, path: str, n: int, axis: int) -> int:
    name, taps = ("height", "width")[axis], len(layer.filter)
    up, down = layer.up[axis], layer.down[axis]
    size, before = resampled_size(layer, n, axis)
    if size < 1:
        remedy = f"choose down below {down}" if isinstance(layer.padding, str) else "pad more"
        raise SpecError(f"{path}: nothing is left of a {name} of {n}; {remedy}.")
    beyond = max(before // up, ((size - 1) * down + taps - 1 - before) // up - (n - 1))
    if layer.padding == "reflect" and beyond > n - 1:
        raise SpecError(
            f"{path}: its filter reads {beyond} pixels beyond a {name} of {n}, whose mirror image "
            f"has {n - 1}; use padding 'zero' or a shorter filter."
        )
    return size
