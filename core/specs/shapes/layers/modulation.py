"""Shapes of layers that a vector modulates, and of noise on pixels."""

from __future__ import annotations

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Parameter, Resolved, Site
from gandem.core.specs.shapes.layers.base import Branches, branches, expect_image, resolve


@branches.register
def _(layer: kinds.Modulate, site: Site) -> Branches:
    start = site.read(layer.input)
    return {"scale": (layer.scale, start), "offset": (layer.offset, start)}


@resolve.register
def _(layer: kinds.Modulate, site: Site) -> Resolved:
    for name in layer.branch_names:
        received = site.end_of(name, site.read(layer.input))
        if received not in (site.shape, site.shape[-1:]):
            raise SpecError(
                f"{site.path}: its {name} layers give {received}, expected {site.shape[-1:]}, one "
                f"number for each channel; end them with dense units = {site.shape[-1]}."
            )
    return Resolved(site.shape)


@branches.register
def _(layer: kinds.ModulatedConv2D, site: Site) -> Branches:
    return {"layers": (layer.layers, site.read(layer.input))}


@resolve.register
def _(layer: kinds.ModulatedConv2D, site: Site) -> Resolved:
    channels = expect_image(site)[2]
    if layer.groups > 1:
        raise SpecError(
            f"{site.path}: groups = {layer.groups}, and a modulated convolution has one group; set "
            "groups = 1."
        )
    style = site.end_of("layers", site.read(layer.input))
    if style != (channels,):
        raise SpecError(
            f"{site.path}: its style is {style}, expected one number for each input channel, "
            f"({channels},); end its layers with dense units = {channels}."
        )
    return resolve.dispatch(kinds.Conv2D)(layer, site)


@resolve.register
def _(layer: kinds.PixelNoise, site: Site) -> Resolved:
    expect_image(site)
    return Resolved(site.shape, {"strength": Parameter("", (1,), layer.strength_init)})
