"""Optimisers in PyTorch: torch's own, whose formulas the spec took over; fused into one kernel
where torch can.
"""

from collections.abc import Iterable
from functools import singledispatch

import torch
import torch._dynamo  # torch.optim imports it at its first use, two seconds into a training
from torch import nn

from gandem.core import spec as kinds

SLOTS = {
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
    "momentum": "momentum_buffer",
}


@singledispatch
def build(optimiser: kinds.Optimiser, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's optimiser for a spec's."""
    raise TypeError(f"The PyTorch backend does not know the optimiser {optimiser.kind!r}.")


@build.register(kinds.Adam)
@build.register(kinds.AdamW)
def _(
    optimiser: kinds.Adam | kinds.AdamW, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    rule = torch.optim.AdamW if isinstance(optimiser, kinds.AdamW) else torch.optim.Adam
    return rule(
        parameters,
        lr=optimiser.learning_rate,
        betas=(optimiser.beta1, optimiser.beta2),
        eps=optimiser.epsilon,
        weight_decay=optimiser.weight_decay,
        fused=True,
    )


@build.register
def _(optimiser: kinds.RMSprop, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(
        parameters,
        lr=optimiser.learning_rate,
        alpha=optimiser.decay,
        eps=optimiser.epsilon,
        weight_decay=optimiser.weight_decay,
        foreach=True,
    )


@build.register
def _(optimiser: kinds.SGD, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=optimiser.learning_rate,
        momentum=optimiser.momentum,
        weight_decay=optimiser.weight_decay,
        foreach=True,
    )


class Learner:
    """A player's optimiser together with its state under canonical slot names.

    The slots exist from the start, so that a state always has the same arrays.
    """

    def __init__(self, optimiser: kinds.Optimiser, parameters: dict[str, nn.Parameter]) -> None:
        self.spec = optimiser
        self.parameters = parameters
        self.updates = 0
        self.optimiser = build(optimiser, parameters.values())
        for parameter in parameters.values():
            state = self.optimiser.state[parameter]
            for slot in optimiser.slots:
                state[self._name(slot)] = torch.zeros_like(
                    parameter, memory_format=torch.preserve_format
                )
        self.set_updates(0)

    def slot(self, name: str, slot: str) -> torch.Tensor:
        """Return the array of one parameter's slot, laid out like the parameter."""
        return self.optimiser.state[self.parameters[name]][self._name(slot)]

    def set_updates(self, count: int) -> None:
        """Say how many updates lie behind."""
        self.updates = count
        for parameter in self.parameters.values():
            self.optimiser.state[parameter]["step"] = torch.tensor(
                float(count), dtype=torch.float32, device=parameter.device
            )

    def update(self, gradients: Iterable[torch.Tensor]) -> None:
        """Apply one update."""
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            if gradient.stride() != parameter.stride():
                # second derivatives come laid out otherwise, and fused Adam walks through memory
                gradient = torch.empty_like(parameter).copy_(gradient)
            parameter.grad = gradient
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.updates += 1

    def _name(self, slot: str) -> str:
        if isinstance(self.spec, kinds.RMSprop):
            return "square_avg"
        return SLOTS[slot]
