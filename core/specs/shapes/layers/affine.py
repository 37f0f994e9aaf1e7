"""Shapes and arrays of layers with a kernel or a table."""

from __future__ import annotations

import math

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.initializers import Normal, Orthogonal, Zeros
from gandem.core.specs.shapes.geometry import crops, pads, span, transposed_size, window_size
from gandem.core.specs.shapes.graph import Parameter, Resolved, Shape, Site
from gandem.core.specs.shapes.layers.base import expect_fit, expect_image, expect_vector, resolve


def _affine(
    layer: kinds.Dense | kinds.Conv2D | kinds.Conv2DTranspose,
    kernel: Shape,
    fan_in: int,
    fan_out: int,
    out: int,
) -> dict[str, Parameter]:
    rate, gain = layer.learning_rate_multiplier, layer.equalized_gain
    scale = rate if gain is None else rate * gain / math.sqrt(fan_in)
    parameters = {"kernel": Parameter("", kernel, layer.kernel_init, fan_in, fan_out, scale)}
    if layer.bias:
        parameters["bias"] = Parameter("", (out,), layer.bias_init, fan_in, fan_out, rate)
    return parameters


_DEAD = (Zeros(), Normal(mean=0.0, std=0.0), Orthogonal(gain=0.0))


def _spectral_vectors(
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
    size = expect_vector(site.shape, site.path)
    return Resolved(
        (layer.units,),
        _affine(layer, (size, layer.units), size, layer.units, layer.units),
        _spectral_vectors(layer, size, layer.units, site.path),
        multiply_adds=size * layer.units,
    )


def _cropped(n: int, k: int, s: int, crop: tuple[int, int], words: str) -> int:
    full = transposed_size(n, k, s, (0, 0))
    if max(crop[0], 0) + max(crop[1], 0) >= full:  # nothing of the full result would be left
        raise SpecError(f"{words} of {full} by {crop[0]} and {crop[1]}; crop less.")
    return transposed_size(n, k, s, crop)


@resolve.register
def _(layer: kinds.Conv2D, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    pad = pads(layer, height, width)
    if min(pad[0] + pad[1]) < 0:
        raise SpecError(f"{site.path}: padding cannot be negative, received {layer.padding}.")
    groups, common = layer.groups, math.gcd(channels, layer.filters)
    if common % groups:
        choices = [str(n) for n in range(1, min(common, 512) + 1) if common % n == 0]
        raise SpecError(
            f"{site.path}: groups = {groups} does not divide its {channels} channels and "
            f"{layer.filters} filters; choose a divisor of both ({', '.join(choices)})."
        )
    (kh, kw), (sh, sw) = span(layer), layer.stride
    remedy = "use padding 'same' or a smaller kernel"
    size = (
        expect_fit(window_size(height, kh, sh, pad[0]), site.path, "height", height, kh, remedy),
        expect_fit(window_size(width, kw, sw, pad[1]), site.path, "width", width, kw, remedy),
    )
    kernel = (*layer.kernel, channels // groups, layer.filters)
    fan_in, fan_out = math.prod(kernel[:3]), math.prod(kernel[:2]) * layer.filters // groups
    parameters = _affine(layer, kernel, fan_in, fan_out, layer.filters)
    vectors = _spectral_vectors(layer, fan_in, layer.filters, site.path)
    output = (*size, layer.filters)
    return Resolved(output, parameters, vectors, multiply_adds=fan_in * math.prod(output))


@resolve.register
def _(layer: kinds.Conv2DTranspose, site: Site) -> Resolved:
    height, width, channels = expect_image(site)
    crop = crops(layer)
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    size = (
        _cropped(height, kh, sh, crop[0], f"{site.path}: its padding crops the height"),
        _cropped(width, kw, sw, crop[1], f"{site.path}: its padding crops the width"),
    )
    area = kh * kw
    kernel = (kh, kw, layer.filters, channels)
    parameters = _affine(layer, kernel, area * channels, area * layer.filters, layer.filters)
    vectors = _spectral_vectors(layer, area * channels, layer.filters, site.path)
    products = math.prod(kernel) * height * width
    return Resolved((*size, layer.filters), parameters, vectors, multiply_adds=products)


@resolve.register
def _(layer: kinds.Embedding, site: Site) -> Resolved:
    classes = expect_vector(site.shape, site.path)
    table = Parameter("", (classes, layer.units), layer.table_init, classes, layer.units)
    return Resolved((layer.units,), {"table": table}, multiply_adds=classes * layer.units)


@resolve.register
def _(layer: kinds.Constant, site: Site) -> Resolved:
    return Resolved(layer.shape, {"value": Parameter("", layer.shape, layer.value_init)})


@resolve.register
def _(layer: kinds.PositionEmbedding, site: Site) -> Resolved:
    shape = expect_image(site)
    return Resolved(shape, {"position": Parameter("", shape, layer.position_init)})


@resolve.register
def _(layer: kinds.Bias, site: Site) -> Resolved:
    return Resolved(site.shape, {"bias": Parameter("", site.shape[-1:], layer.bias_init)})
