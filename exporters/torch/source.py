"""``model.py``: the source of a network as a module of plain ``torch.nn``, and its tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from gandem.core.export import ExportNetwork, Port, fold_weights
from gandem.exporters.torch.code import format_shape
from gandem.exporters.torch.layers import Code

WEIGHTS = "model.safetensors"
HEAD = '''"""The {player} of {model}: a network of gandem as plain PyTorch.

{ports}

    from model import load

    network = load()  # reads {weights} beside this file
    {call}
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


'''
LABELS = '''def class_weights(label: Tensor, classes: int) -> Tensor:
    """Return class numbers (N,) as weights (N, classes); return weights as they are."""
    if label.is_floating_point():
        return label
    return (label[:, None] == torch.arange(classes, device=label.device)).to(torch.float32)


'''
LOAD = '''

def load(path: str | Path = Path(__file__).with_name("{weights}")) -> {name}:
    """Return the trained network, in evaluation mode."""
    from safetensors.torch import load_file

    network = {name}()
    network.load_state_dict(load_file(path))
    return network.eval()
'''


def write_source(network: ExportNetwork) -> tuple[str, dict[str, np.ndarray]]:
    """Return the source of a network, and the arrays of its ``state_dict``."""
    inputs = {port.key: port.name for port in network.inputs}
    code = Code(network.plan, fold_weights(network.plan, network.arrays), inputs)
    name = name_class(network)
    head = HEAD.format(
        player=network.player,
        model=network.facts["model"],
        ports="\n".join(_describe_ports(network)),
        weights=WEIGHTS,
        call=_example(network),
    )
    signature = ", ".join(["self", *(f"{argument}: Tensor" for argument in inputs.values())])
    lines = list(code.lines)
    if "label" in inputs:
        lines.insert(0, f"label = class_weights(label, {network.spec.classes})")
    body = [
        f"class {name}(nn.Module):",
        f'    """Returns {_describe(network.output)}."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *(f"        self.{attribute} = {value}" for attribute, value in code.modules.items()),
        "",
        f"    def forward({signature}) -> Tensor:",
        *(f"        {line}" for line in lines),
        f"        return {code.result}",
    ]
    text = head + LABELS * ("label" in inputs) + "\n".join(body) + "\n"
    return text + LOAD.format(weights=WEIGHTS, name=name), code.tensors


def name_class(network: ExportNetwork) -> str:
    """Return the name of a network's class: ``"Generator"``."""
    return "".join(word.capitalize() for word in network.player.split("_"))


def run_source(source: str, file: str = "model.py") -> dict[str, Any]:
    """Run the source of a module, and return what it defines."""
    names: dict[str, Any] = {"__name__": "model", "__file__": file}
    exec(compile(source, file, "exec"), names)
    return names


def build_module(network: ExportNetwork) -> Any:
    """Return a network as a ``torch.nn.Module`` in evaluation mode, made from its source."""
    import torch

    source, tensors = write_source(network)
    built = run_source(source)[name_class(network)]()
    built.load_state_dict({n: torch.tensor(np.ascontiguousarray(v)) for n, v in tensors.items()})
    return built.eval()


def _describe(port: Port) -> str:
    limits = "" if port.limits is None else f" from {port.limits[0]:g} to {port.limits[1]:g}"
    return f"{port.name} {format_shape(port.shape)}{limits}"


def _describe_ports(network: ExportNetwork) -> list[str]:
    """Return a line on each input, and one on the output."""
    notes = {"noise": _describe_noise(network)}
    if "label" in network.plan.inputs:
        notes["label"] = f"class numbers, or class weights (N, {network.spec.classes})"
    lines = [
        f"    {_describe(port)}{': ' if port.name in notes else ''}{notes.get(port.name, '')}"
        for port in network.inputs
    ]
    return ["Inputs:", *lines, "Output:", f"    {_describe(network.output)}"]


def _describe_noise(network: ExportNetwork) -> str:
    latent = network.spec.latent
    drawn = "uniform from -1 to 1" if latent.distribution == "uniform" else "normal"
    parts = [f"{part} [{index.start}:{index.stop}]" for part, index in latent.parts.items()]
    return ", ".join([drawn, *parts])


def _example(network: ExportNetwork) -> str:
    """Return a line that calls the network."""
    arguments = []
    for port in network.inputs:
        if port.name == "label":
            arguments.append(f"torch.arange(16) % {network.spec.classes}")
        else:
            shape = format_shape(port.shape).strip("()").replace("N", "16")
            arguments.append(f"torch.randn({shape})")
    return f"{network.output.name} = network({', '.join(arguments)})"
