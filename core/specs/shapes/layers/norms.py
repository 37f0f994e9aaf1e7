"""Arrays of layers that normalize features."""

from __future__ import annotations

import math

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.initializers import Ones, Zeros
from gandem.core.specs.shapes.graph import Parameter, Resolved, Shape, Site
from gandem.core.specs.shapes.layers.base import expect_image, resolve


def _expect_several(count: int, path: str) -> None:
    if count < 2:
        raise SpecError(
            f"{path}: it would normalize single numbers, which leaves only the offset; "
            "leave it out, or choose another norm."
        )


def _scale_offset(
    layer: kinds.BatchNorm | kinds.LayerNorm | kinds.GroupNorm | kinds.InstanceNorm, shape: Shape
) -> dict[str, Parameter]:
    if not layer.affine:
        return {}
    return {
        "scale": Parameter("", shape, layer.scale_init),
        "offset": Parameter("", shape, layer.offset_init),
    }


@resolve.register
def _(layer: kinds.BatchNorm, site: Site) -> Resolved:
    channels = site.shape[-1:]
    running = {
        "mean": Parameter("", channels, Zeros()),
        "variance": Parameter("", channels, Ones()),
    }
    return Resolved(site.shape, _scale_offset(layer, channels), running)


@resolve.register
def _(layer: kinds.LayerNorm, site: Site) -> Resolved:
    over = site.shape if layer.over == "all" else site.shape[-1:]
    _expect_several(math.prod(over), site.path)
    return Resolved(site.shape, _scale_offset(layer, over))


@resolve.register
def _(layer: kinds.GroupNorm, site: Site) -> Resolved:
    channels = site.shape[-1]
    if channels % layer.groups:
        raise SpecError(
            f"{site.path}: {channels} channels do not divide into {layer.groups} groups; "
            "choose a divisor."
        )
    _expect_several(math.prod(site.shape) // layer.groups, site.path)
    return Resolved(site.shape, _scale_offset(layer, (channels,)))


@resolve.register
def _(layer: kinds.InstanceNorm, site: Site) -> Resolved:
    height, width, _ = expect_image(site)
    _expect_several(height * width, site.path)
    return Resolved(site.shape, _scale_offset(layer, site.shape[-1:]))


@resolve.register
def _(layer: kinds.MinibatchStddev, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    if channels % layer.features:
        raise SpecError(
            f"{site.path}: features = {layer.features} does not divide its {channels} channels; "
            "choose a divisor."
        )
    return Resolved((height, width, channels + layer.features))
