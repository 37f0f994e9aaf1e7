"""A generator as data for the page: the layers of its plan, its weights and its facts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from gandem.core.data.images import to_bytes
from gandem.core.errors import SpecError
from gandem.core.export import ExportNetwork, weight_factors
from gandem.core.specs import Conv2D, Conv2DTranspose, Image, Initializer, NetworkPlan, Node
from gandem.core.specs.shapes.geometry import crops, pads

__all__ = [
    "LAYERS",
    "check_layers",
    "check_network",
    "describe_network",
    "describe_nodes",
    "list_facts",
    "name_model",
]

LAYERS = frozenset(
    """
    add average_pool2d batch_norm bias blend concatenate constant conv2d conv2d_transpose dense
    depth_to_space dot dropout elu embedding flatten gelu global_average_pool2d global_max_pool2d
    global_sum_pool2d group_norm head instance_norm layer_norm leaky_relu max_pool2d modulate
    modulated_conv2d modulated_conv2d_transpose multiply pixel_noise pixel_norm position_embedding
    prelu read relu resample2d reshape residual self_attention selu sigmoid silu slice softplus
    space_to_depth styles tanh upsample2d
    """.split()
)
"""The kinds of layers that ``page/network.js`` computes."""
EXAMPLES = 8
"""Images of the run that the page compares with its own."""


def check_network(network: ExportNetwork) -> None:
    """Check that the page can show a network.

    Raises:
        SpecError: it is not a generator of images, or has a layer that the page does not know.
    """
    if network.player != "generator":
        raise SpecError(
            f"The page shows what a generator makes; received the player {network.player!r}."
        )
    if not isinstance(network.spec.image, Image):
        raise SpecError("The page shows images; the generator makes points.")
    check_layers(network.plan)


def check_layers(plan: NetworkPlan) -> None:
    """Check that the page can compute the layers of a network.

    Raises:
        SpecError: naming the first that it cannot compute.
    """
    for node in plan.walk():
        layer = node.layer
        if layer.kind not in LAYERS:
            raise SpecError(
                f"{node.path}: the page cannot compute the layer {layer.kind!r}; choose another "
                "format, such as onnx."
            )
        if isinstance(layer, Conv2D) and max(layer.stride) > 1 and max(layer.dilation) > 1:
            raise SpecError(
                f"{node.path}: TensorFlow.js has no convolution with both stride and dilation; "
                "choose another format, such as onnx."
            )


def describe_network(network: ExportNetwork) -> dict[str, Any]:
    """Return all that the page reads, as plain data."""
    from safetensors.numpy import save

    spec, image = network.spec, network.spec.image
    assert isinstance(image, Image)
    assert network.examples is not None
    examples = network.examples[:EXAMPLES]
    return {
        "name": network.name,
        "title": name_model(network),
        "classes": spec.classes if "label" in network.plan.inputs else 0,
        "class_names": network.facts["class_names"],
        "latent": {field.name: getattr(spec.latent, field.name) for field in fields(spec.latent)},
        "image": {field.name: getattr(image, field.name) for field in fields(image)},
        "facts": list_facts(network),
        "examples": {
            "of": len(network.examples),
            "count": len(examples),
            "bytes": _encode(to_bytes(examples, image.low, image.high).tobytes()),
        },
        "input": network.plan.input,
        "nodes": describe_nodes(network.plan, network.arrays),
        "weights": _encode(save(dict(network.arrays))),
    }


def name_model(network: ExportNetwork) -> str:
    """Return the title of a page: ``"dcgan, trained on mnist"``."""
    return f"{network.spec.name}, trained on {network.facts['data']['name']}"


def list_facts(network: ExportNetwork) -> list[tuple[str, str]]:
    """Return what a reader wants to know about a model, by name."""
    facts, data = network.facts, network.facts["data"]
    operations = sum(node.multiply_adds for node in network.plan.walk())
    weights = ", moving average of the weights" if facts["weights"] == "average" else ""
    rows = {
        "Model": network.spec.name,
        "Data": ": ".join(filter(None, (data["name"], data["source"]))),
        "License of the data": data["license"],
        "Training": f"{facts['step']:,} steps on {facts['backend']}, seed {facts['seed']}{weights}",
        "Generator": f"{network.plan.parameter_count:,} parameters, "
        f"{operations / 1e6:,.1f} million multiply-adds for an image",
        "Spec": facts["spec_digest"][:16],
        "Made with": f"gandem {facts['versions']['gandem']}",
    }
    return [(name, text) for name, text in rows.items() if text]


def describe_nodes(plan: NetworkPlan, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return the layers of a network, each with its fields, its geometry, and the names and factors
    of its arrays.
    """
    factors = weight_factors(plan, arrays)
    return [_describe_node(node, factors) for node in plan.nodes]


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _describe_node(node: Node, factors: Mapping[str, float]) -> dict[str, Any]:
    layer = node.layer
    values = {field.name: getattr(layer, field.name) for field in fields(layer)}
    described: dict[str, Any] = {
        name: value
        for name, value in values.items()
        if name not in layer.branch_names and not isinstance(value, Initializer)
    }
    if isinstance(layer, Conv2D):
        described["pads"] = pads(layer, *node.input_shape[:2])
    if isinstance(layer, Conv2DTranspose):
        described["crops"] = crops(layer)
    arrays = node.parameters + node.statistics
    return described | {
        "kind": layer.kind,
        "name": node.reference,
        "reads": node.reads,
        "shape": node.output_shape,
        "arrays": {
            array.name.rpartition("/")[2]: {"name": array.name, "factor": factors[array.name]}
            for array in arrays
        },
        "branches": {
            name: [_describe_node(inner, factors) for inner in nodes]
            for name, nodes in node.branches.items()
        },
    }
