"""The order of the features of a vector that is an image: (H, W, C); in PyTorch (C, H, W)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gandem.core.specs import layers as kinds
from gandem.core.specs.shapes.graph import Node

SIDES = {
    "kernel": ("inputs", "outputs"),
    "table": ("inputs", "outputs"),
    "right_vector": ("inputs",),
}
"""The features along the first axes of a canonical array of a dense layer; others have outputs."""


def feature_orders(nodes: Sequence[Node]) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """Yield where features have PyTorch's order: the path of a layer with ``"inputs"`` or
    ``"outputs"``, and the canonical index of each feature.

    That is from a flatten to the next dense layer, and from a dense layer or embedding to the next
    reshape to an image.
    """
    source: Node | None = None
    between: list[Node] = []
    for node in nodes:
        for branch in node.branches.values():
            yield from feature_orders(branch)
        if node.layer.keeps_order and len(node.input_shape) == 1:
            between.append(node)
            continue
        shape = _flattened_shape(source, node, between) if source else ()
        if source and shape:
            order = np.arange(np.prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()
            yield (source.path, "outputs"), order
            for each in between:
                yield (each.path, "inputs"), order
                order = np.concatenate([order, np.arange(len(order), each.output_shape[0])])
                yield (each.path, "outputs"), order
            yield (node.path, "inputs"), order
        source, between = node, []


def _flattened_shape(source: Node, sink: Node, between: Sequence[Node]) -> tuple[int, ...]:
    """Return the image whose features, (H, W, C), a vector from one layer to another has; empty if
    PyTorch's order is canonical there.
    """
    if any(node.is_read for node in (source, *between)):  # other layers expect canonical order
        return ()
    if len(source.output_shape) == 1 and isinstance(sink.layer, kinds.Dense):
        is_flatten = isinstance(source.layer, kinds.Flatten | kinds.Reshape)
        return source.input_shape if is_flatten and len(source.input_shape) == 3 else ()
    extends = any(isinstance(node.layer, kinds.Concatenate) for node in between)
    if isinstance(source.layer, kinds.Dense | kinds.Embedding) and not extends:
        is_reshape = isinstance(sink.layer, kinds.Reshape) and len(sink.input_shape) == 1
        return sink.output_shape if is_reshape and len(sink.output_shape) == 3 else ()
    return ()
