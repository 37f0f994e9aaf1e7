"""References of layers that arrange the same features."""

from __future__ import annotations

from gandem.core import specs as kinds
from gandem.core.specs import Layer, Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, forward


@forward.register(kinds.Flatten)
@forward.register(kinds.Reshape)
def _(layer: Layer, x: Dual, node: Node, network: Network) -> Dual:
    return x.linear(lambda t: t.reshape(*t.shape[:2], *node.output_shape))
