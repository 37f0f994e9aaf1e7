"""What the shapes of all layers have in common."""

from __future__ import annotations

from functools import singledispatch

from gandem.core.errors import SpecError
from gandem.core.specs.layers import Layer
from gandem.core.specs.shapes.graph import Resolved, Shape, Site

Branches = dict[str, tuple[tuple[Layer, ...], Shape]]
"""The lists of layers inside a layer, by name, each with its input shape."""


@singledispatch
def branches(layer: Layer, site: Site) -> Branches:
    """Return the lists of layers inside ``layer``, each with its input shape."""
    return {}


@singledispatch
def resolve(layer: Layer, site: Site) -> Resolved:
    """Return the output shape and parameters of ``layer`` at a site.

    The default is a layer without parameters that keeps the shape.
    """
    return Resolved(site.shape)


def expect_image(site: Site) -> tuple[int, int, int]:
    """Return height, width and channels of the input; raise SpecError if it is no image."""
    if len(site.shape) != 3:
        raise SpecError(
            f"{site.path}: expected an image (height, width, channels), received {site.shape}; "
            "put a reshape layer before it."
        )
    return (site.shape[0], site.shape[1], site.shape[2])


def expect_vector(shape: Shape, path: str) -> int:
    """Return the number of features; raise SpecError if the shape is no vector."""
    if len(shape) != 1:
        raise SpecError(
            f"{path}: expected a vector (features,), received {shape}; "
            "put a flatten or a global pooling layer before it."
        )
    return shape[0]


def expect_fit(size: int, path: str, axis: str, n: int, k: int, remedy: str) -> int:
    """Return ``size``, the number of windows along an axis; raise SpecError if none fits."""
    if size < 1:
        raise SpecError(f"{path}: its window of {k} does not fit a {axis} of {n}; {remedy}.")
    return size
