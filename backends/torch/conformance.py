"""The operations of PyTorch for the conformance suite, in float64 on the CPU."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gandem.backends.torch.layers import inward
from gandem.backends.torch.network import (
    Network,
    draws_inward,
    from_canonical,
    images_outward,
    to_canonical,
)
from gandem.backends.torch.ops import TorchOps
from gandem.backends.torch.optimizers import Learner
from gandem.core.specs import NetworkPlan, Optimizer
from gandem.core.training import Arrays

CPU = torch.device("cpu")


class TorchTarget:
    """See :class:`gandem.testing.ConformanceTarget`."""

    known_failures: Mapping[str, str] = {}

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        draws: Arrays,
    ) -> dict[str, np.ndarray]:
        network = Network(plan, channels_last=True).double().train()
        network = network.to(memory_format=torch.channels_last)
        for name, location in network.arrays().items():
            from_canonical(*location, arrays[name])
        leaves = [x.requires_grad_(True) for x in network.from_numpy(inputs, CPU)]
        weights = network.weights()
        drawn = draws_inward({name: torch.as_tensor(value) for name, value in draws.items()})
        value = network(*leaves, draws=drawn)
        variables = dict(zip(plan.inputs, leaves, strict=True))
        variables |= {name: weight for name, (weight, _) in weights.items()}

        def differentiate(scalar: Tensor, graph: bool) -> tuple[Tensor, ...]:
            return torch.autograd.grad(
                scalar,
                list(variables.values()),
                create_graph=graph,
                allow_unused=True,
                materialize_grads=True,
            )

        first = differentiate((value * inward(torch.as_tensor(cotangent))).sum(), graph=True)
        penalty = sum(0.5 * (g * g).sum() for g in first[: len(leaves)])
        second = map(torch.zeros_like, variables.values())  # of a network that is linear
        if penalty.requires_grad:
            second = differentiate(penalty, graph=False)
        layouts = [(0, 2, 3, 1) if x.ndim == 4 else None for x in leaves]
        layouts += [permutation for _, permutation in weights.values()]
        derivatives = {"value": images_outward(value)}
        for order, gradients in {"first": first, "second": second}.items():
            for name, gradient, layout in zip(variables, gradients, layouts, strict=True):
                derivatives[f"{order}/{name}"] = to_canonical(gradient, layout)
        statistics = {p.name: to_canonical(*network.arrays()[p.name]) for p in plan.statistics()}
        return derivatives | {f"statistics/{name}": x for name, x in statistics.items()}

    def gradient(
        self, function: Callable[..., Tensor], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        tensors = {name: torch.tensor(value, requires_grad=True) for name, value in arrays.items()}
        value = function(TorchOps(), **tensors)
        gradients = torch.autograd.grad(value, list(tensors.values()))
        return value.item(), {k: g.numpy() for k, g in zip(tensors, gradients, strict=True)}

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        parameters = {name: nn.Parameter(torch.tensor(value)) for name, value in arrays.items()}
        learner = Learner(optimizer, parameters)
        after = []
        for step in gradients:
            learner.update([torch.tensor(step[name]) for name in parameters])
            after.append({name: to_canonical(p, None) for name, p in parameters.items()})
        return after
