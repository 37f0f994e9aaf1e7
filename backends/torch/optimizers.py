"""Optimizers in PyTorch: torch's own, whose formulas the spec has; fused where torch can."""

import math
from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

import torch
import torch._dynamo  # torch.optim imports it at first use, which takes two seconds
from torch import nn

from gandem.core import specs as kinds
from gandem.core.specs import at_step, find_schedules

Groups = list[dict[str, list[nn.Parameter]]]
"""Parameters as torch's optimizers take them."""
TINY = 5e-324
"""The smallest number above 0: with a momentum of 0 torch leaves its buffer as it is."""
SLOTS = {
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
    "momentum": "momentum_buffer",
}


@singledispatch
def build(optimizer: kinds.Optimizer, groups: Groups) -> torch.optim.Optimizer:
    """Return torch's optimizer for that of a spec."""
    raise TypeError(f"The PyTorch backend does not know the optimizer {optimizer.kind!r}.")


@build.register
def _(optimizer: kinds.Adam, groups: Groups) -> torch.optim.Optimizer:
    rule = torch.optim.AdamW if isinstance(optimizer, kinds.AdamW) else torch.optim.Adam
    return rule(groups, eps=optimizer.epsilon, fused=True)


@build.register
def _(optimizer: kinds.RMSprop, groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, eps=optimizer.epsilon, foreach=True)


@build.register
def _(optimizer: kinds.SGD, groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, foreach=True)


def options(optimizer: kinds.Optimizer) -> dict[str, Any]:
    """Return torch's names and values of an optimizer's numbers, without schedules."""
    common = {"lr": optimizer.learning_rate, "weight_decay": optimizer.weight_decay}
    match optimizer:
        case kinds.Adam():
            return common | {"betas": (optimizer.beta1, optimizer.beta2)}
        case kinds.RMSprop():
            return common | {"alpha": optimizer.decay}
        case kinds.SGD():
            return common | {"momentum": optimizer.momentum}
    return common


class Learner:
    """A player's optimizer together with its state under canonical slot names.

    The slots exist from the start, so that a state always has the same arrays.
    """

    def __init__(self, optimizer: kinds.Optimizer, parameters: dict[str, nn.Parameter]) -> None:
        self.spec = optimizer
        self.parameters = parameters
        self.updates = 0
        # torch refuses an empty list, but not an empty group
        self.optimizer = build(optimizer, [{"params": list(parameters.values())}])
        if not any(find_schedules(optimizer)):
            self.optimizer.param_groups[0].update(options(optimizer))
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

    def update(
        self,
        gradients: Iterable[torch.Tensor],
        inputs: Mapping[str, float] | None = None,
        path: str = "",
    ) -> None:
        """Apply one update.

        Args:
            inputs: of the step, with the values of schedules.
            path: of the optimizer in the spec, ``"generator.optimizer"``.
        """
        optimizer = at_step(self.spec, path, inputs or {})
        group = self.optimizer.param_groups[0]
        if optimizer is not self.spec:
            group.update(options(optimizer))
            if isinstance(self.spec, kinds.SGD) and self.spec.momentum:
                group["momentum"] = group["momentum"] or TINY
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            if gradient.stride() != parameter.stride():
                # second derivatives come laid out otherwise, and fused Adam walks through memory
                gradient = torch.empty_like(parameter).copy_(gradient)
            parameter.grad = gradient
        if self.spec.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters.values(), optimizer.clip_norm)
        self.updates += 1
        if isinstance(optimizer, kinds.Adam):
            root = math.sqrt(1 - optimizer.beta2**self.updates)
            group["eps"] = optimizer.effective_epsilon(root)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _name(self, slot: str) -> str:
        if isinstance(self.spec, kinds.RMSprop):
            return "square_avg"
        return SLOTS[slot]
