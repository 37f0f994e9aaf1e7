"""Shapes of layers that contain layers or read other inputs."""

from __future__ import annotations

from collections.abc import Mapping

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Resolved, Shape, Site
from gandem.core.specs.shapes.layers.base import (
    Branches,
    branches,
    expect_image,
    expect_vector,
    resolve,
)


@branches.register
def _(layer: kinds.Concatenate, site: Site) -> Branches:
    if layer.input not in site.inputs:
        raise no_input(site.path, layer.input, site.inputs)
    return {"layers": (layer.layers, site.inputs[layer.input])}


def no_input(path: str, name: str, inputs: Mapping[str, Shape]) -> SpecError:
    """Return the error for an input that the network cannot read."""
    remedy = " Set classes to use labels." if name == "label" else suggest(name, inputs)
    return SpecError(f"{path}: there is no input {shown(name)}.{remedy}")


@branches.register
def _(layer: kinds.Residual, site: Site) -> Branches:
    return {"layers": (layer.layers, site.shape), "shortcut": (layer.shortcut, site.shape)}


@resolve.register
def _(layer: kinds.Concatenate, site: Site) -> Resolved:
    nodes = site.inner["layers"]
    other = nodes[-1].output_shape if nodes else site.inputs[layer.input]
    if layer.planes:
        expect_image(site)
        other = (*site.shape[:2], expect_vector(other, site.path))
    if other[:-1] != site.shape[:-1]:
        raise SpecError(
            f"{site.path}: {other} cannot stand beside {site.shape}; give the other input layers "
            "that bring it to that size, or set planes = true for a vector beside an image."
        )
    return Resolved((*site.shape[:-1], site.shape[-1] + other[-1]))


@resolve.register
def _(layer: kinds.Residual, site: Site) -> Resolved:
    if not site.inner["layers"]:
        raise SpecError(f"{site.path}: a residual block needs at least one layer.")
    main = site.inner["layers"][-1].output_shape
    short = site.inner["shortcut"][-1].output_shape if site.inner["shortcut"] else site.shape
    if main != short:
        raise SpecError(
            f"{site.path}: its layers give {main}, its shortcut {short}; "
            "put a layer into the shortcut that brings both to one shape."
        )
    return Resolved(main)
