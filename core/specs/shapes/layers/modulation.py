"""Shapes of layers that a vector modulates, of style vectors, and of noise on pixels."""

from __future__ import annotations

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.initializers import Zeros
from gandem.core.specs.shapes.graph import Parameter, Resolved, Site
from gandem.core.specs.shapes.layers.base import (
    Branches,
    branches,
    expect_image,
    expect_vector,
    resolve,
)

Modulated = kinds.ModulatedConv2D | kinds.ModulatedConv2DTranspose


@branches.register
def _(layer: kinds.Modulate, site: Site) -> Branches:
    start = site.read(layer.input)
    return {"scale": (layer.scale, start), "offset": (layer.offset, start)}


@resolve.register(kinds.Modulate)
@resolve.register(kinds.Multiply)
def _(layer: kinds.Modulate | kinds.Multiply, site: Site) -> Resolved:
    for name in layer.branch_names:
        received = site.end_of(name, site.read(layer.input))
        if received not in (site.shape, site.shape[-1:]):
            part = name if name == "layers" else f"{name} layers"
            raise SpecError(
                f"{site.path}: its {part} give {received}, expected {site.shape[-1:]}, one "
                f"number for each channel; end them with dense units = {site.shape[-1]}."
            )
    return Resolved(site.shape)


@branches.register(kinds.Multiply)
@branches.register(kinds.ModulatedConv2D)
@branches.register(kinds.ModulatedConv2DTranspose)
def _(layer: kinds.Multiply | Modulated, site: Site) -> Branches:
    return {"layers": (layer.layers, site.read(layer.input))}


@resolve.register(kinds.ModulatedConv2D)
@resolve.register(kinds.ModulatedConv2DTranspose)
def _(layer: Modulated, site: Site) -> Resolved:
    channels = expect_image(site)[2]
    if isinstance(layer, kinds.ModulatedConv2D) and layer.groups > 1:
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
    plain = kinds.Conv2D if isinstance(layer, kinds.Conv2D) else kinds.Conv2DTranspose
    return resolve.dispatch(plain)(layer, site)


@branches.register
def _(layer: kinds.Styles, site: Site) -> Branches:
    return {"layers": (layer.layers, site.shape)}


@resolve.register
def _(layer: kinds.Styles, site: Site) -> Resolved:
    size = expect_vector(site.end_of("layers", site.shape), site.path)
    return Resolved((layer.count * size,), statistics={"mean": Parameter("", (size,), Zeros())})


@resolve.register
def _(layer: kinds.PixelNoise, site: Site) -> Resolved:
    expect_image(site)
    return Resolved(site.shape, {"strength": Parameter("", (1,), layer.strength_init)})
