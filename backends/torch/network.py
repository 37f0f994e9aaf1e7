"""A player's network as a ``torch.nn.Module``, with torch's layouts and names."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from gandem.backends.torch.layers import Chain, Context, arrays_of, attribute, inward, outward
from gandem.core.specs import NetworkPlan, Node


class Network(Chain):
    """A network built from its plan.

    Call it with its inputs in the plan's order, e.g. ``generator(noise)`` or ``discriminator(image,
    label)``: vectors are (N, features), labels (N, classes) class weights, images (N, C, H, W).
    """

    def __init__(self, plan: NetworkPlan) -> None:
        super().__init__(plan.nodes)
        self.plan = plan

    def forward(self, *inputs: Tensor, masks: Mapping[str, Tensor] | None = None) -> Tensor:
        if len(inputs) != len(self.plan.inputs):
            raise TypeError(
                f"{self.plan.name}: expected the inputs {', '.join(self.plan.inputs)}, "
                f"received {len(inputs)}."
            )
        named = dict(zip(self.plan.inputs, inputs, strict=True))
        return super().forward(named[self.plan.input], Context(named, masks or {}))

    def arrays(self) -> dict[str, tuple[Tensor, tuple[int, ...] | None]]:
        """Return parameters and running statistics by canonical name, each with its permutation to
        canonical.
        """
        found = {}
        for node, module in _pairs(self, self.plan.nodes):
            found |= arrays_of(module, node)
        return found

    def weights(self) -> dict[str, tuple[torch.nn.Parameter, tuple[int, ...] | None]]:
        """Return the trained parameters, in canonical order."""
        arrays = self.arrays()
        return {p.name: arrays[p.name] for p in self.plan.parameters()}

    def from_numpy(self, inputs: Mapping[str, np.ndarray], device: torch.device) -> list[Tensor]:
        """Convert channels-last arrays to the order and layout of the network."""
        return [inward(torch.as_tensor(inputs[name], device=device)) for name in self.plan.inputs]


def to_canonical(tensor: Tensor, permutation: tuple[int, ...] | None) -> np.ndarray:
    """Return a copy of a tensor in canonical layout."""
    value = tensor.detach().cpu()
    value = value if permutation is None else value.permute(permutation)
    return value.contiguous().numpy().copy()


def from_canonical(target: Tensor, permutation: tuple[int, ...] | None, value: np.ndarray) -> None:
    """Overwrite a tensor with an array in canonical layout."""
    source = torch.as_tensor(value)
    if permutation is not None:
        source = source.permute([permutation.index(axis) for axis in range(len(permutation))])
    with torch.no_grad():
        target.copy_(source)


def masks_inward(masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert channels-last masks to torch's layout."""
    return {path: inward(mask) for path, mask in masks.items()}


def images_outward(value: Tensor) -> np.ndarray:
    """Return a network's output as a channels-last array."""
    return outward(value.detach()).cpu().contiguous().numpy()


def _pairs(
    chain: torch.nn.Module, nodes: tuple[Node, ...]
) -> Iterator[tuple[Node, torch.nn.Module]]:
    for node in nodes:
        module = chain.get_submodule(attribute(node.path))
        for name, branch in node.branches.items():
            if branch:
                yield from _pairs(module.get_submodule(name), branch)
        yield node, module
