"""Attention."""

from __future__ import annotations

from gandem.core import specs as kinds
from gandem.core.specs import Node
from gandem.exporters.torch.code import Code, express


@express.register
def _(layer: kinds.SelfAttention, node: Node, x: str, code: Code) -> str:
    query, key, value = (
        f"{code.write_branch(node, branch, x)}.flatten(2)" for branch in ("query", "key", "value")
    )  # (N, C, H·W)
    weights = code.keep(f"torch.softmax({query}.mT @ {key}, 2)", node)  # (N, H·W, keys)
    height, width, _ = node.input_shape
    result = code.keep(
        f"({value} @ {weights}.mT).reshape(-1, {_value_channels(node)}, {height}, {width})", node
    )
    gamma = code.add_tensor(node, code.array(node, "gamma"), "gamma")
    return f"{x} + {gamma} * {code.write_branch(node, 'output', result)}"


def _value_channels(node: Node) -> int:
    return int(node.branches["value"][-1].output_shape[2])
