"""ONNX: a graph that runs in onnxruntime, in browsers and on devices."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.export import Exporter, ExportNetwork
from gandem.exporters.torch.formats import check_batch, make_examples, name_batch
from gandem.exporters.torch.source import build_module

OPSET = 18
"""The version of the operators: onnxruntime 1.14 and later."""


class Onnx(Exporter):
    """A graph with images (N, H, W, C) and any batch size."""

    suffix = ".onnx"
    labels = ("integers", "weights")
    pixels = ("float32", "uint8")
    backend = "torch"

    def check(self, network: ExportNetwork) -> None:
        """Refuse layers that depend on the batch size."""
        check_batch(network)

    def write(self, path: Path, network: ExportNetwork) -> None:
        """Trace the network and convert it."""
        import torch

        examples = tuple(
            t.permute(0, 2, 3, 1) if t.ndim == 4 else t for t in make_examples(network)
        )
        with warnings.catch_warnings():
            # the batch axes of all inputs are one; TensorFlow in the same process hides GPUs
            warnings.filterwarnings("ignore", "# The axis name|CUDA initialization", UserWarning)
            program = torch.onnx.export(
                wrap(build_module(network), network),
                examples,
                dynamo=True,
                opset_version=OPSET,
                input_names=[port.name for port in network.inputs],
                output_names=[network.output.name],
                dynamic_shapes=(tuple(name_batch(network).values()),),
                verbose=False,
            )
        facts = {"gandem": json.dumps(network.describe(), ensure_ascii=False)}
        program.model.metadata_props.update(facts)
        program.save(path, external_data=False)

    def load(
        self, path: Path, network: ExportNetwork
    ) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """Open the graph in onnxruntime."""
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.log_severity_level = 3
        session = InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
            output: np.ndarray = session.run(None, dict(inputs))[0]
            return output

        return run


def wrap(module: Any, network: ExportNetwork) -> Any:
    """Return a module for images (N, H, W, C), which it returns as bytes if they are asked for."""
    import torch

    output = network.output

    class ChannelsLast(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            x = self.network(*(x.permute(0, 3, 1, 2) if x.ndim == 4 else x for x in inputs))
            x = x.permute(0, 2, 3, 1) if x.ndim == 4 else x
            if output.dtype != "uint8" or output.limits is None:
                return x
            low, high = output.limits
            return ((x - low) * (255 / (high - low))).round().clamp(0, 255).to(torch.uint8)

    return ChannelsLast().eval()
