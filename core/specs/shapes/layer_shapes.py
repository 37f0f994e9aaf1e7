"""The output shape, the arrays and the inner layers of each kind of layer.

A new kind of layer registers a function with :func:`resolve`, and with :func:`branches` if it
contains layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import singledispatch

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.specs import layers as kinds
from gandem.core.specs.initializers import Normal, Ones, Orthogonal, Zeros
from gandem.core.specs.layers import Layer
from gandem.core.specs.shapes.geometry import crops, pads, transposed_size, window_size
from gandem.core.specs.shapes.graph import Parameter, Resolved, Shape, Site

__all__ = ["branches", "no_input", "resolve"]

Branches = dict[str, tuple[tuple[Layer, ...], Shape]]
"""The lists of layers inside a layer, by name, each with its input shape."""


@singledispatch
def branches(layer: Layer, site: Site) -> Branches:
    """Return the lists of layers inside ``layer``, each with its input shape."""
    return {}


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


# --- output shapes and arrays --------------------------------------------------------------------


@singledispatch
def resolve(layer: Layer, site: Site) -> Resolved:
    """Return the output shape and parameters of ``layer`` at a site.

    The default is a layer without parameters that keeps the shape.
    """
    return Resolved(site.shape)


def _image(site: Site) -> tuple[int, int, int]:
    if len(site.shape) != 3:
        raise SpecError(
            f"{site.path}: expected an image (height, width, channels), received {site.shape}; "
            "put a reshape layer before it."
        )
    return (site.shape[0], site.shape[1], site.shape[2])


def _vector(shape: Shape, path: str) -> int:
    if len(shape) != 1:
        raise SpecError(
            f"{path}: expected a vector (features,), received {shape}; "
            "put a flatten or a global pooling layer before it."
        )
    return shape[0]


def _affine(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose,
    kernel: Shape,
    fan_in: int,
    fan_out: int,
    out: int,
) -> dict[str, Parameter]:
    parameters = {"kernel": Parameter("", kernel, layer.kernel_init, fan_in, fan_out)}
    if layer.bias:
        parameters["bias"] = Parameter("", (out,), layer.bias_init, fan_in, fan_out)
    return parameters


_DEAD = (Zeros(), Normal(mean=0.0, std=0.0), Orthogonal(gain=0.0))


def _vectors(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose, fan_in: int, out: int, path: str
) -> dict[str, Parameter]:
    """Return the running vectors of a layer's spectral norm, if it has one."""
    if not layer.spectral_norm:
        return {}
    if fan_in * out == 1:
        raise SpecError(
            f"{path}: its kernel is a single number, of which spectral norm leaves only the sign; "
            "set spectral_norm = false."
        )
    if layer.kernel_init in _DEAD:
        raise SpecError(
            f"{path}: a kernel of zeros cannot be divided by its spectral norm; choose another "
            "kernel_init, or set spectral_norm = false."
        )
    unit = Orthogonal()  # for a vector: a uniform direction, of length 1
    return {
        "left_vector": Parameter("", (out,), unit),
        "right_vector": Parameter("", (fan_in,), unit),
    }


@resolve.register
def _(layer: kinds.Dense, site: Site) -> Resolved:
    size = _vector(site.shape, site.path)
    return Resolved(
        (layer.units,),
        _affine(layer, (size, layer.units), size, layer.units, layer.units),
        _vectors(layer, size, layer.units, site.path),
    )


def _cropped(n: int, k: int, s: int, crop: tuple[int, int], words: str) -> int:
    full = transposed_size(n, k, s, (0, 0))
    if max(crop[0], 0) + max(crop[1], 0) >= full:  # nothing of the full result would be left
        raise SpecError(f"{words} of {full} by {crop[0]} and {crop[1]}; crop less.")
    return transposed_size(n, k, s, crop)


def _closed(size: int, path: str, axis: str, n: int, k: int, remedy: str) -> int:
    if size < 1:
        raise SpecError(f"{path}: its window of {k} does not fit a {axis} of {n}; {remedy}.")
    return size


@resolve.register
def _(layer: kinds.Conv2D, site: Site) -> Resolved:
    height, width, channels = _image(site)
    pad = pads(layer, height, width)
    if min(pad[0] + pad[1]) < 0:
        raise SpecError(f"{site.path}: padding cannot be negative, received {layer.padding}.")
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    remedy = "use padding 'same' or a smaller kernel"
    size = (
        _closed(window_size(height, kh, sh, pad[0]), site.path, "height", height, kh, remedy),
        _closed(window_size(width, kw, sw, pad[1]), site.path, "width", width, kw, remedy),
    )
    area = kh * kw
    kernel = (kh, kw, channels, layer.filters)
    parameters = _affine(layer, kernel, area * channels, area * layer.filters, layer.filters)
    vectors = _vectors(layer, area * channels, layer.filters, site.path)
    return Resolved((*size, layer.filters), parameters, vectors)


@resolve.register
def _(layer: kinds.Conv2DTranspose, site: Site) -> Resolved:
    height, width, channels = _image(site)
    crop = crops(layer)
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    size = (
        _cropped(height, kh, sh, crop[0], f"{site.path}: its padding crops the height"),
        _cropped(width, kw, sw, crop[1], f"{site.path}: its padding crops the width"),
    )
    area = kh * kw
    kernel = (kh, kw, layer.filters, channels)
    parameters = _affine(layer, kernel, area * channels, area * layer.filters, layer.filters)
    vectors = _vectors(layer, area * channels, layer.filters, site.path)
    return Resolved((*size, layer.filters), parameters, vectors)


@resolve.register
def _(layer: kinds.Upsample2D, site: Site) -> Resolved:
    height, width, channels = _image(site)
    return Resolved((height * layer.factor[0], width * layer.factor[1], channels))


@resolve.register(kinds.MaxPool2D)
@resolve.register(kinds.AveragePool2D)
def _(layer: kinds.MaxPool2D | kinds.AveragePool2D, site: Site) -> Resolved:
    height, width, channels = _image(site)
    pad = pads(layer, height, width)
    remedy = "use padding 'same' or a smaller size"
    size = (
        _closed(
            window_size(height, layer.size[0], layer.stride[0], pad[0]),
            site.path, "height", height, layer.size[0], remedy,
        ),
        _closed(
            window_size(width, layer.size[1], layer.stride[1], pad[1]),
            site.path, "width", width, layer.size[1], remedy,
        ),
    )  # fmt: skip
    return Resolved((*size, channels))


@resolve.register(kinds.GlobalMaxPool2D)
@resolve.register(kinds.GlobalAveragePool2D)
def _(layer: Layer, site: Site) -> Resolved:
    return Resolved((_image(site)[2],))


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


def _several(count: int, path: str) -> None:
    if count < 2:
        raise SpecError(
            f"{path}: it would normalize single numbers, which leaves only the offset; "
            "leave it out, or choose another norm."
        )


def _scale_offset(
    layer: kinds.BatchNorm | kinds.LayerNorm | kinds.GroupNorm | kinds.InstanceNorm, shape: Shape
) -> dict[str, Parameter]:
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
    _several(math.prod(over), site.path)
    return Resolved(site.shape, _scale_offset(layer, over))


@resolve.register
def _(layer: kinds.GroupNorm, site: Site) -> Resolved:
    channels = site.shape[-1]
    if channels % layer.groups:
        raise SpecError(
            f"{site.path}: {channels} channels do not divide into {layer.groups} groups; "
            "choose a divisor."
        )
    _several(math.prod(site.shape) // layer.groups, site.path)
    return Resolved(site.shape, _scale_offset(layer, (channels,)))


@resolve.register
def _(layer: kinds.InstanceNorm, site: Site) -> Resolved:
    height, width, _ = _image(site)
    _several(height * width, site.path)
    return Resolved(site.shape, _scale_offset(layer, site.shape[-1:]))


@resolve.register
def _(layer: kinds.Embedding, site: Site) -> Resolved:
    classes = _vector(site.shape, site.path)
    table = Parameter("", (classes, layer.units), layer.table_init, classes, layer.units)
    return Resolved((layer.units,), {"table": table})


@resolve.register
def _(layer: kinds.Concatenate, site: Site) -> Resolved:
    nodes = site.inner["layers"]
    other = nodes[-1].output_shape if nodes else site.inputs[layer.input]
    if layer.planes:
        _image(site)
        other = (*site.shape[:2], _vector(other, site.path))
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
