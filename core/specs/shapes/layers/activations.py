"""Arrays of activations."""

from __future__ import annotations

from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Parameter, Resolved, Site
from gandem.core.specs.shapes.layers.base import resolve


@resolve.register
def _(layer: kinds.Prelu, site: Site) -> Resolved:
    slope = Parameter("", site.shape[-1:], layer.slope_init)
    return Resolved(site.shape, {"slope": slope})
