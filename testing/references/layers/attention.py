"""References of attention."""

from __future__ import annotations

import numpy as np

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.layers.base import Network, forward


@forward.register
def _(layer: kinds.SelfAttention, x: Dual, node: Node, network: Network) -> Dual:
    query, key, value = (
        network.run(node.branches[name], x).linear(
            lambda t: t.reshape(*t.shape[:2], -1, t.shape[-1])
        )
        for name in ("query", "key", "value")
    )
    scores = query @ key.linear(lambda t: np.swapaxes(t, -1, -2))  # (U, N, H·W, keys)
    shares = _softmax(scores.a)
    mean = (shares * scores.b).sum(axis=-1, keepdims=True)
    weights = Dual(shares, shares * (scores.b - mean))
    read = (weights @ value).linear(lambda t: t.reshape(*x.a.shape[:-1], -1))
    out = network.run(node.branches["output"], read)
    return x + out * network.parameter(node, "gamma").expand_to(x)


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Return exp(scores) over their sum along the last axis, without overflow."""
    weights = np.exp(scores - scores.real.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
