"""A player's network as a ``torch.nn.Module``, with torch's layouts and names."""

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor, nn

from gandem.backends.torch.layers import Chain, Context, Reshape, attribute, inward, outward
from gandem.core import specs as kinds
from gandem.core.specs import REFERENCE, NetworkPlan, Node
from gandem.core.specs.shapes.feature_order import SIDES, feature_orders
from gandem.core.training import Arrays


class Network(Chain):
    """A network built from its plan.

    Call it with its inputs in the plan's order, e.g. ``generator(noise)`` or ``discriminator(image,
    label)``: vectors are (N, features), labels (N, classes) class weights, images (N, C, H, W).

    Parameters have PyTorch's own layout: a dense layer before a reshape to an image, or after a
    flatten, orders those features (C, H, W), so the parameters fit an equivalent
    ``nn.Sequential``. With ``channels_last`` the order is canonical, (H, W, C), in which reshapes
    are views in the channels_last memory format; engines train such a network.
    """

    def __init__(self, plan: NetworkPlan, *, channels_last: bool = False) -> None:
        super().__init__(plan.nodes)
        self.plan = plan
        self.orders = {} if channels_last else dict(feature_orders(plan.nodes))
        for node, module in _pairs(self, plan.nodes):
            if isinstance(module, Reshape):
                sides = {(node.path, side) for side in ("inputs", "outputs")}
                module.channels_first = not sides.isdisjoint(self.orders)

    def forward(
        self,
        *inputs: Tensor,
        draws: Mapping[str, Tensor] | None = None,
        observed: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Return the output; add to ``observed`` those of the layers in the plan's ``outputs``."""
        if len(inputs) != len(self.plan.inputs):
            raise TypeError(
                f"{self.plan.name}: expected the inputs {', '.join(self.plan.inputs)}, "
                f"received {len(inputs)}."
            )
        named = dict(zip(self.plan.inputs, inputs, strict=True))
        return self.run(named, draws=draws, observed=observed)

    def run(
        self,
        inputs: Mapping[str, Tensor],
        layer: str = "",
        *,
        draws: Mapping[str, Tensor] | None = None,
        observed: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Return the output of a layer, by default the last, from inputs by name, or from the
        outputs of layers, ``layer:NAME``.
        """
        part = self.plan.part(inputs, layer)
        context = Context(dict(inputs), draws or {})
        output = super().forward(inputs[self.plan.start_of(part)], context, part)
        if observed is not None:
            observed |= {name: context.inputs[REFERENCE + name] for name in self.plan.outputs}
        return output

    def arrays(self) -> dict[str, tuple[Tensor, tuple[int, ...] | None]]:
        """Return parameters and running statistics by canonical name, each with the permutation of
        its axes to canonical.
        """
        arrays = {}
        for node, module in _pairs(self, self.plan.nodes):
            layouts = LAYOUTS.get(type(node.layer), NORM)
            for parameter in node.parameters + node.statistics:
                name, permutation = layouts[parameter.name.rsplit("/", 1)[1]]
                arrays[parameter.name] = (attrgetter(name)(module), permutation)
        return arrays

    def weights(self) -> dict[str, tuple[torch.nn.Parameter, tuple[int, ...] | None]]:
        """Return the parameters, in canonical order, each with its permutation."""
        arrays = self.arrays()
        return {p.name: arrays[p.name] for p in self.plan.parameters()}

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters of layers that are not frozen, in canonical order."""
        arrays = self.arrays()
        return {p.name: arrays[p.name][0] for p in self.plan.trained()}

    def load_arrays(self, arrays: Arrays) -> None:
        """Overwrite parameters and running statistics with canonical arrays."""
        for name, (tensor, permutation) in self.arrays().items():
            path, _, short = name.rpartition("/")
            value = arrays[name]
            for axis, side in enumerate(SIDES.get(short, ("outputs",))):
                if (path, side) in self.orders:
                    value = value.take(self.orders[path, side], axis)
            from_canonical(tensor, permutation, value)

    def from_numpy(self, inputs: Mapping[str, np.ndarray], device: torch.device) -> list[Tensor]:
        """Convert channels-last arrays to the order and layout of the network."""
        return [inward(torch.as_tensor(inputs[name], device=device)) for name in self.plan.inputs]


def _pairs(chain: nn.Module, nodes: Sequence[Node]) -> Iterator[tuple[Node, nn.Module]]:
    for node in nodes:
        module = chain.get_submodule(attribute(node.path))
        for name, branch in node.branches.items():
            if branch:
                yield from _pairs(module.get_submodule(name), branch)
        yield node, module


# --- layouts -------------------------------------------------------------------------------------

CONV = (2, 3, 1, 0)
"""(out, in, kh, kw) → (kh, kw, in, out); transposed (in, out, kh, kw) → (kh, kw, out, in)."""
NORM = {
    "scale": ("weight", None),
    "offset": ("bias", None),
    "mean": ("running_mean", None),
    "variance": ("running_var", None),
}
AFFINE = {
    "bias": ("bias", None),
    "left_vector": ("spectral_norm.left_vector", None),
    "right_vector": ("spectral_norm.right_vector", None),
}
MODULATED = {
    name: (f"conv.{attribute}", permutation)
    for name, (attribute, permutation) in {"kernel": ("weight", CONV), **AFFINE}.items()
}
LAYOUTS = {
    kinds.Dense: {"kernel": ("weight", (1, 0)), **AFFINE},
    kinds.Conv2D: {"kernel": ("weight", CONV), **AFFINE},
    kinds.Conv2DTranspose: {"kernel": ("weight", CONV), **AFFINE},
    kinds.Embedding: {"table": ("weight", None)},
    kinds.Constant: {"value": ("value", (1, 2, 0))},
    kinds.PositionEmbedding: {"position": ("position", (1, 2, 0))},
    kinds.Prelu: {"slope": ("weight", None)},
    kinds.SelfAttention: {"gamma": ("gamma", None)},
    kinds.PixelNoise: {"strength": ("strength", None)},
    kinds.Bias: {"bias": ("bias", None)},
    kinds.Styles: {"mean": ("mean", None)},
    kinds.ModulatedConv2D: MODULATED,
    kinds.ModulatedConv2DTranspose: MODULATED,
}
"""For each canonical name of a layer, torch's attribute and the permutation to canonical."""


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


def draws_inward(draws: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert channels-last masks and noise to torch's layout."""
    return {path: inward(value) for path, value in draws.items()}


def images_outward(value: Tensor) -> np.ndarray:
    """Return a network's output as a channels-last array."""
    return outward(value.detach()).cpu().contiguous().numpy()
