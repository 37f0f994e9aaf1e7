"""The weights of a network in one safetensors file, by canonical name.

Its metadata, ``gandem``, holds the spec as JSON, and the axes of each array.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.export import Exporter, ExportNetwork
from gandem.core.specs import NetworkPlan, to_data

AXES = {
    ("dense", "kernel"): ("in", "out"),
    ("conv2d", "kernel"): ("height", "width", "in", "out"),
    ("modulated_conv2d", "kernel"): ("height", "width", "in", "out"),
    ("conv2d_transpose", "kernel"): ("height", "width", "out", "in"),
    ("modulated_conv2d_transpose", "kernel"): ("height", "width", "out", "in"),
    ("embedding", "table"): ("classes", "out"),
    ("", "value"): ("height", "width", "channels"),
    ("", "position"): ("height", "width", "channels"),
    ("", "left_vector"): ("out",),
    ("", "right_vector"): ("height · width · in",),
}
"""The axes of arrays by kind of layer, empty for any, and short name; others have channels."""


class Safetensors(Exporter):
    """The arrays of a network, without code."""

    suffix = ".safetensors"
    tolerance = 0.0

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Write the arrays as a checkpoint holds them."""
        from safetensors.numpy import save

        axes = {name: list(names) for name, names in _list_axes(network.plan)}
        header = network.describe() | {"spec": to_data(network.spec), "axes": axes}
        metadata = {"format": "np", "gandem": json.dumps(header, ensure_ascii=False)}
        path.write_bytes(save(dict(network.arrays), metadata))

    def load(self, path: Path, network: ExportNetwork) -> dict[str, np.ndarray]:
        """Return the arrays."""
        from safetensors.numpy import load

        arrays: dict[str, np.ndarray] = load(path.read_bytes())
        return arrays


def _list_axes(plan: NetworkPlan) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in plan.walk():
        for array in node.parameters + node.statistics:
            short = array.name.rpartition("/")[2]
            rest = ("height", "width", "channels")[-len(array.shape) :]
            kind: Any = (node.layer.kind, short)
            yield array.name, AXES.get(kind, AXES.get(("", short), rest))
