"""Single operations of PyTorch shown to a conformance test, in float64 on the CPU."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gandem.backends.torch.layers import inward
from gandem.backends.torch.network import (
    Network,
    from_canonical,
    images_outward,
    masks_inward,
    to_canonical,
)
from gandem.backends.torch.ops import TorchOps
from gandem.backends.torch.optimizers import Learner
from gandem.core.specs import NetworkPlan, Optimizer
from gandem.core.training import Arrays, Derivatives

CPU = torch.device("cpu")


def differentiate(
    plan: NetworkPlan, arrays: Arrays, inputs: Arrays, cotangent: np.ndarray, masks: Arrays
) -> Derivatives:
    """See :meth:`gandem.core.training.Backend.differentiate`."""
    network = Network(plan).double().to(memory_format=torch.channels_last).train()
    for name, spot in network.arrays().items():
        from_canonical(*spot, arrays[name])
    leaves = [x.requires_grad_(True) for x in network.from_numpy(inputs, CPU)]
    weights = network.weights()
    value = network(*leaves, masks=masks_inward({k: torch.as_tensor(v) for k, v in masks.items()}))
    names = [*plan.inputs, *weights]
    targets = [*leaves, *(weight for weight, _ in weights.values())]
    layouts = [(0, 2, 3, 1) if x.ndim == 4 else None for x in leaves]
    layouts += [permutation for _, permutation in weights.values()]

    def gradients(scalar: Tensor, graph: bool) -> list[Tensor]:
        return list(
            torch.autograd.grad(
                scalar, targets, create_graph=graph, allow_unused=True, materialize_grads=True
            )
        )

    first = gradients((value * inward(torch.as_tensor(cotangent))).sum(), graph=True)
    penalty = sum(0.5 * (g * g).sum() for g in first[: len(leaves)])
    second = (
        gradients(penalty, graph=False)
        if penalty.requires_grad
        else [torch.zeros_like(t) for t in targets]
    )

    def named(found: list[Tensor]) -> dict[str, np.ndarray]:
        return {n: to_canonical(g, p) for n, g, p in zip(names, found, layouts, strict=True)}

    statistics = {p.name: to_canonical(*network.arrays()[p.name]) for p in plan.statistics()}
    return Derivatives(images_outward(value), named(first), named(second), statistics)


def gradient(
    function: Callable[..., Tensor], arrays: Arrays
) -> tuple[float, dict[str, np.ndarray]]:
    """See :meth:`gandem.core.training.Backend.gradient`."""
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in arrays.items()}
    value = function(TorchOps(), **tensors)
    found = torch.autograd.grad(value, list(tensors.values()))
    return value.item(), {k: g.numpy() for k, g in zip(tensors, found, strict=True)}


def optimize(
    optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
) -> list[dict[str, np.ndarray]]:
    """See :meth:`gandem.core.training.Backend.optimize`."""
    parameters = {name: nn.Parameter(torch.tensor(value)) for name, value in arrays.items()}
    learner = Learner(optimizer, parameters)
    after = []
    for given in gradients:
        learner.update([torch.tensor(given[name]) for name in parameters])
        after.append({name: to_canonical(p, None) for name, p in parameters.items()})
    return after
