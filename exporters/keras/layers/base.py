"""What stock Keras layers of all kinds have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from gandem.core import specs as kinds
from gandem.core.errors import SpecError
from gandem.core.specs import Node


@dataclass(frozen=True, slots=True)
class Graph:
    """A model in construction.

    Attributes:
        arrays: folded weights, by canonical name; see :func:`gandem.core.export.fold_weights`.
        tensors: the inputs, and the outputs of layers that others read, by name.
    """

    arrays: Mapping[str, np.ndarray]
    tensors: dict[str, KerasTensor]

    def array(self, node: Node, name: str) -> np.ndarray:
        """Return an array of a layer by its short name."""
        return self.arrays[f"{node.path}/{name}"]

    def find(self, node: Node, *names: str) -> list[np.ndarray]:
        """Return those arrays of a layer that it has."""
        paths = (f"{node.path}/{name}" for name in names)
        return [self.arrays[path] for path in paths if path in self.arrays]

    def add(
        self,
        kind: type[keras.layers.Layer],
        node: Node,
        x: KerasTensor | list[KerasTensor],
        *weights: np.ndarray,
        part: str = "",
        **options: Any,
    ) -> KerasTensor:
        """Add a stock layer and return its output.

        Its name is that of the node, with the player: keras.ops names its operations like
        ``multiply_1``, which never contains ``-``.

        Args:
            weights: its weights, in its order; they are brought to its shapes.
            part: a suffix of the name, if the node needs several stock layers.
            options: arguments of the stock layer.
        """
        name = node.path.replace("/", "-") + (f"--{part}" if part else "")
        layer = kind(name=name, dtype="float32", **options)
        output = layer(x)
        pairs = zip(weights, layer.weights, strict=True)
        layer.set_weights([value.reshape(weight.shape) for value, weight in pairs])
        return output

    def run(self, nodes: Sequence[Node], x: KerasTensor) -> KerasTensor:
        """Add the layers of some nodes, one after another."""
        for node in nodes:
            x = build(node.layer, node, x, self)
            if node.is_read:
                self.tensors[node.reference] = x
        return x

    def read(self, node: Node, branch: str = "layers") -> KerasTensor:
        """Add the layers of a branch on the input that a layer reads."""
        return self.run(node.branches[branch], self.tensors[node.reads])

    def learned(self, node: Node, name: str, x: KerasTensor) -> KerasTensor:
        """Add an array of a layer as a tensor (N, …), with as many samples as ``x``."""
        value = self.array(node, name)
        zero = ops.zeros_like(ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))[:, :1])
        kernel = np.zeros((1, value.size))
        flat = self.add(keras.layers.Dense, node, zero, kernel, value, part=name, units=value.size)
        return ops.reshape(flat, (-1, *(1,) * (len(x.shape) - 1 - value.ndim), *value.shape))


@singledispatch
def build(layer: kinds.Layer, node: Node, x: KerasTensor, graph: Graph) -> KerasTensor:
    """Add a layer to a model and return its output.

    Raises:
        SpecError: no stock layers compute this kind of layer.
    """
    raise SpecError(
        f"{node.path}: no stock Keras layers compute {layer.kind!r}; choose another format, such "
        "as onnx."
    )


def expand(vector: KerasTensor, x: KerasTensor) -> KerasTensor:
    """Give a vector (N, C) the axes of an image ``x``; leave others unchanged."""
    is_vector = len(x.shape) == 4 and len(vector.shape) == 2
    return ops.reshape(vector, (-1, 1, 1, vector.shape[-1])) if is_vector else vector


def spread(vector: KerasTensor, x: KerasTensor) -> KerasTensor:
    """Repeat a vector (N, C) at each pixel of an image ``x``."""
    return ops.tile(expand(vector, x), (1, *x.shape[1:3], 1))
