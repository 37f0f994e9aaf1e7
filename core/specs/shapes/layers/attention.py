"""Shapes of attention."""

from __future__ import annotations

import math

from gandem.core.errors import SpecError
from gandem.core.specs import layers as kinds
from gandem.core.specs.layers import Layer
from gandem.core.specs.shapes.graph import Parameter, Resolved, Site
from gandem.core.specs.shapes.layers.base import Branches, branches, expect_image, resolve

MAX_WEIGHTS = 2**28
"""Attention weights of one image, 1 GiB in float32: of each pixel of 128×128 with each."""


@branches.register
def _(layer: kinds.SelfAttention, site: Site) -> Branches:
    height, width, channels = expect_image(site)
    narrow, middle = channels // layer.reduction, channels // layer.value_reduction
    for name, filters in (("reduction", narrow), ("value_reduction", middle)):
        if not filters:
            raise SpecError(
                f"{site.path}: {name} = {getattr(layer, name)} leaves none of {channels} channels; "
                f"choose {channels} at most."
            )

    def convolve(filters: int) -> Layer:
        return kinds.Conv2D(
            filters=filters,
            kernel=(1, 1),
            bias=False,
            spectral_norm=layer.spectral_norm,
            kernel_init=layer.kernel_init,
        )

    pool = (kinds.MaxPool2D(),) if layer.pool else ()
    return {
        "query": ((convolve(narrow),), site.shape),
        "key": ((convolve(narrow), *pool), site.shape),
        "value": ((convolve(middle), *pool), site.shape),
        "output": ((convolve(channels),), (height, width, middle)),
    }


@resolve.register
def _(layer: kinds.SelfAttention, site: Site) -> Resolved:
    height, width, _ = site.shape
    keys = math.prod(site.end_of("key", site.shape)[:2])
    weights = height * width * keys
    if weights > MAX_WEIGHTS:
        raise SpecError(
            f"{site.path}: {height * width} pixels that read {keys} each take {weights} attention "
            "weights per image, more than fits in memory; attend at 128×128 pixels or fewer, after "
            "downsampling."
        )
    features = site.end_of("query", site.shape)[2] + site.end_of("value", site.shape)[2]
    gamma = Parameter("", (1,), layer.gamma_init)
    return Resolved(site.shape, {"gamma": gamma}, kept=weights, multiply_adds=weights * features)
