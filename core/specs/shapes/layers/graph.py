"""Shapes of layers that contain layers or read other inputs."""

from __future__ import annotations

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Resolved, Site
from gandem.core.specs.shapes.layers.base import (
    Branches,
    branches,
    expect_image,
    expect_vector,
    resolve,
)


@branches.register(kinds.Concatenate)
@branches.register(kinds.Add)
@branches.register(kinds.Blend)
@branches.register(kinds.Dot)
def _(layer: kinds.Concatenate | kinds.Add | kinds.Blend | kinds.Dot, site: Site) -> Branches:
    return {"layers": (layer.layers, site.read(layer.input))}


@branches.register
def _(layer: kinds.Head, site: Site) -> Branches:
    return {"layers": (layer.layers, site.shape)}


@branches.register
def _(layer: kinds.Residual, site: Site) -> Branches:
    return {"layers": (layer.layers, site.shape), "shortcut": (layer.shortcut, site.shape)}


@resolve.register
def _(layer: kinds.Concatenate, site: Site) -> Resolved:
    other = site.end_of("layers", site.read(layer.input))
    if layer.planes:
        expect_image(site)
        other = (*site.shape[:2], expect_vector(other, site.path))
    if other[:-1] != site.shape[:-1]:
        raise SpecError(
            f"{site.path}: {other} cannot stand beside {site.shape}; give the other input layers "
            "that bring it to that size, or set planes = true for a vector beside an image."
        )
    return Resolved((*site.shape[:-1], site.shape[-1] + other[-1]))


@resolve.register(kinds.Add)
@resolve.register(kinds.Blend)
def _(layer: kinds.Add | kinds.Blend, site: Site) -> Resolved:
    other = site.end_of("layers", site.read(layer.input))
    if other != site.shape:
        verb = "added to" if isinstance(layer, kinds.Add) else "blended with"
        raise SpecError(
            f"{site.path}: {other} cannot be {verb} {site.shape}; give the other input layers "
            "that bring it to that shape."
        )
    return Resolved(site.shape)


@resolve.register
def _(layer: kinds.Head, site: Site) -> Resolved:
    if not site.inner["layers"]:
        raise SpecError(f"{site.path}: a head needs at least one layer.")
    return Resolved(site.end_of("layers", site.shape))


@resolve.register
def _(layer: kinds.Dot, site: Site) -> Resolved:
    size = expect_vector(site.shape, site.path)
    other = site.end_of("layers", site.read(layer.input))
    if other != (size,):
        raise SpecError(
            f"{site.path}: {other} has no inner product with {site.shape}; end the layers of the "
            f"other input with {size} features, as of an embedding."
        )
    return Resolved((1,))


@resolve.register
def _(layer: kinds.Read, site: Site) -> Resolved:
    return Resolved(site.read(layer.input))


@resolve.register
def _(layer: kinds.Residual, site: Site) -> Resolved:
    if not site.inner["layers"]:
        raise SpecError(f"{site.path}: a residual block needs at least one layer.")
    main = site.end_of("layers", site.shape)
    short = site.end_of("shortcut", site.shape)
    if main != short:
        raise SpecError(
            f"{site.path}: its layers give {main}, its shortcut {short}; "
            "put a layer into the shortcut that brings both to one shape."
        )
    return Resolved(main)
