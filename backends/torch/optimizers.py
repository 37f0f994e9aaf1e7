"""Optimizers in PyTorch: torch's own, whose formulas the spec has; fused where torch can."""

import math
from collections.abc import Iterable
from functools import singledispatch

import torch
import torch._dynamo  # torch.optim imports it at first use, which takes two seconds
from torch import nn

from gandem.core import specs as kinds

SLOTS = {
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
    "momentum": "momentum_buffer",
}


@singledispatch
def build(optimizer: kinds.Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's optimizer for that of a spec."""
    raise TypeError(f"The PyTorch backend does not know the optimizer {optimizer.kind!r}.")


@build.register
def _(optimizer: kinds.Adam, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    rule = torch.optim.AdamW if isinstance(optimizer, kinds.AdamW) else torch.optim.Adam
    return rule(
        parameters,
        lr=optimizer.learning_rate,
        betas=(optimizer.beta1, optimizer.beta2),
        eps=optimizer.epsilon,
        weight_decay=optimizer.weight_decay,
        fused=True,
    )


@build.register
def _(optimizer: kinds.RMSprop, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(
        parameters,
        lr=optimizer.learning_rate,
        alpha=optimizer.decay,
        eps=optimizer.epsilon,
        weight_decay=optimizer.weight_decay,
        foreach=True,
    )


@build.register
def _(optimizer: kinds.SGD, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=optimizer.learning_rate,
        momentum=optimizer.momentum,
        weight_decay=optimizer.weight_decay,
        foreach=True,
    )


class Learner:
    """A player's optimizer together with its state under canonical slot names.

    The slots exist from the start, so that a state always has the same arrays.
    """

    def __init__(self, optimizer: kinds.Optimizer, parameters: dict[str, nn.Parameter]) -> None:
        self.spec = optimizer
        self.parameters = parameters
        self.updates = 0
        self.optimizer = build(optimizer, parameters.values())
        for parameter in parameters.values():
            state = self.optimizer.state[parameter]
            for slot in optimizer.slots:
                state[self._name(slot)] = torch.zeros_like(
                    parameter, memory_format=torch.preserve_format
                )
        self.set_updates(0)

    def slot(self, name: str, slot: str) -> torch.Tensor:
        """Return the array of one parameter's slot, laid out like the parameter."""
        return self.optimizer.state[self.parameters[name]][self._name(slot)]

    def set_updates(self, count: int) -> None:
        """Say how many updates lie behind."""
        self.updates = count
        for parameter in self.parameters.values():
            self.optimizer.state[parameter]["step"] = torch.tensor(
                float(count), dtype=torch.float32, device=parameter.device
            )

    def update(self, gradients: Iterable[torch.Tensor]) -> None:
        """Apply one update."""
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            if gradient.stride() != parameter.stride():
                # second derivatives come laid out otherwise, and fused Adam walks through memory
                gradient = torch.empty_like(parameter).copy_(gradient)
            parameter.grad = gradient
        if self.spec.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.spec.clip_norm)
        self.updates += 1
        if isinstance(self.spec, kinds.Adam):
            root = math.sqrt(1 - self.spec.beta2**self.updates)
            self.optimizer.param_groups[0]["eps"] = self.spec.effective_epsilon(root)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _name(self, slot: str) -> str:
        if isinstance(self.spec, kinds.RMSprop):
            return "square_avg"
        return SLOTS[slot]
