"""The formats of PyTorch: ``torch``, a program, and ``torch-source``, a readable module."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.export import Exporter, ExportNetwork
from gandem.core.specs import MinibatchStddev
from gandem.exporters.torch.source import WEIGHTS, build_module, run_source, write_source

EXAMPLE_ROWS = 3
"""Rows of the inputs that a program is traced with; it is used with any number."""


class TorchSource(Exporter):
    """A folder with ``model.py`` and ``model.safetensors``."""

    labels = ("integers", "weights")  # the module takes both
    tolerance = 1e-6
    backend = "torch"

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Write the source and the weights."""
        from safetensors.numpy import save

        source, tensors = write_source(network)
        path.mkdir()
        (path / "model.py").write_text(source, "utf-8")
        arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        metadata = {"format": "pt", "gandem": json.dumps(network.describe(), ensure_ascii=False)}
        (path / WEIGHTS).write_bytes(save(arrays, metadata))

    def load(
        self, path: Path, network: ExportNetwork
    ) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """Import the module and load its weights."""
        file = path / "model.py"
        names = run_source(file.read_text("utf-8"), str(file))
        return run_module(names["load"](), network)


class TorchProgram(Exporter):
    """A program of ``torch.export``, ``.pt2``, with any batch size."""

    suffix = ".pt2"
    labels = ("integers", "weights")
    tolerance = 1e-6
    backend = "torch"

    def check(self, network: ExportNetwork) -> None:
        """Refuse layers that depend on the batch size."""
        check_batch(network)

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Trace the network."""
        import torch

        module = build_module(network)
        arguments = make_examples(network)
        program = torch.export.export(module, arguments, dynamic_shapes=name_batch(network))
        facts = json.dumps(network.describe(), ensure_ascii=False)
        torch.export.save(program, path, extra_files={"gandem.json": facts})

    def load(
        self, path: Path, network: ExportNetwork
    ) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """Load the program."""
        import torch

        return run_module(torch.export.load(path).module(), network)


def check_batch(network: ExportNetwork) -> None:
    """Check that a program with any batch size can compute a network.

    Raises:
        SpecError: a layer forms groups of the batch.
    """
    for node in network.plan.walk():
        if isinstance(node.layer, MinibatchStddev):
            raise SpecError(
                f"{node.path}: the groups of {node.layer.kind} depend on the batch size, which a "
                "program for any batch size cannot follow; choose the format torch-source."
            )


def make_examples(network: ExportNetwork) -> tuple[Any, ...]:
    """Return inputs to trace a network with, images as torch has them."""
    import torch

    examples = []
    for port in network.inputs:
        shape = (port.shape[-1], *port.shape[:-1]) if len(port.shape) == 3 else port.shape
        examples.append(torch.zeros(EXAMPLE_ROWS, *shape, dtype=getattr(torch, port.dtype)))
    return tuple(examples)


def name_batch(network: ExportNetwork) -> dict[str, Any]:
    """Return the dynamic axes of the inputs: the batch."""
    from torch.export import Dim

    batch = Dim("batch", min=1)
    return {port.name: {0: batch} for port in network.inputs}


def run_module(
    module: Any, network: ExportNetwork
) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """Return a function of arrays, images channels-last, that runs a module."""
    import torch

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        tensors = [torch.as_tensor(inputs[port.name]) for port in network.inputs]
        inward = [t.permute(0, 3, 1, 2) if t.ndim == 4 else t for t in tensors]
        with torch.no_grad():
            output = module(*inward)
        output = output.permute(0, 2, 3, 1) if output.ndim == 4 else output
        return np.ascontiguousarray(output.numpy())

    return run
