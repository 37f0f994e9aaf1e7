"""The players in PyTorch: eager forward passes, autograd, torch's optimizers."""

import functools
from collections.abc import Mapping

import torch
from torch import Tensor

from gandem.backends.torch.network import Network, draws_inward
from gandem.backends.torch.optimizers import Learner
from gandem.core.training import DrawFeed, Images, Loss, Played, name_outputs


class TorchPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(
        self,
        networks: Mapping[str, Network],
        learners: Mapping[str, Learner],
        copies: Mapping[str, Mapping[str, Mapping[str, Tensor]]],
        running: Mapping[str, Tensor],
    ) -> None:
        self.networks = networks
        self.learners = learners
        self.copies = copies
        self.running = running
        self.inputs: Mapping[str, Tensor] = {}
        self.draws = DrawFeed({})

    def begin(self, inputs: Mapping[str, Tensor]) -> None:
        """Start a step: number its passes from 0."""
        self.inputs, self.draws = inputs, DrawFeed(inputs)

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> Tensor:
        network = self.networks[player]
        read = [inputs[name] for name in network.plan.inputs]
        return network(*read, draws=draws_inward(self.draws.next()), observed=observed)

    def slope(self, player: str, images: Images, **inputs: Tensor) -> tuple[Tensor, Images]:
        leaves = as_leaves(images)
        output = self.apply(player, **leaves, **inputs)
        slopes = torch.autograd.grad(output[:, :1].sum(), [*leaves.values()], create_graph=True)
        return output, dict(zip(leaves, slopes, strict=True))

    def layer_slope(self, player: str, layer: str, direction: Tensor, **inputs: Tensor) -> Tensor:
        observed: dict[str, Tensor] = {}
        leaves = as_leaves(inputs)  # no weight may come before the layer
        output = TorchPlayers.apply(self, player, observed, **leaves)  # not cast by a subclass
        direction = direction.to(output.dtype)
        return torch.autograd.grad(output, observed[layer], direction, create_graph=True)[0]

    def kernels(self, player: str) -> list[Tensor]:
        network = self.networks[player]
        arrays = network.arrays()
        matrices = []
        for name, axis in network.plan.kernels().items():
            weight, order = arrays[name]
            matrices.append(weight.permute(order).movedim(axis, -1).flatten(0, -2))
        return matrices

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        observed: dict[str, Tensor] = {}
        with torch.set_grad_enabled(back):
            output = self.apply(player, observed, **inputs)
        outputs = name_outputs(self.networks[player].plan, output, observed)
        weights = list(self.learners[player].parameters.values())

        def pull(gradients: Images) -> tuple[Tensor, ...]:
            outer = [gradients[name] for name in outputs]
            return torch.autograd.grad([*outputs.values()], weights, outer) if weights else ()

        return Played(as_leaves(outputs), pull)

    def learn(
        self, player: str, loss: Loss, through: Played | None = None, *, floor: float | None = None
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        value, report = loss()
        learner = self.learners[player]
        weights = list(learner.parameters.values())
        if through is None:
            # a penalty may not depend on all weights; a player may be frozen whole
            grad = functools.partial(torch.autograd.grad, materialize_grads=True)
            gradients = grad(value, weights) if weights else ()
        else:  # the loss reads the player's own weights only in penalties
            outputs, count = through.value, len(through.value)
            variables = [*outputs.values(), *weights]
            by_variable = torch.autograd.grad(value, variables, allow_unused=True)
            pulled = through.pull(dict(zip(outputs, by_variable[:count], strict=True)))
            pairs = zip(pulled, by_variable[count:], strict=True)
            gradients = [first if own is None else first + own for first, own in pairs]
        if floor is None or value >= floor:
            learner.update(gradients, self.inputs, f"{player}.optimizer")
        return value.detach(), {name: scalar.detach() for name, scalar in report.items()}

    def clip(self, player: str, limit: float) -> None:
        with torch.no_grad():
            for parameter in self.learners[player].parameters.values():
                parameter.clamp_(-limit, limit)

    def average(self, player: str, decay: float) -> None:
        with torch.no_grad():
            for name, parameter in self.learners[player].parameters.items():
                average = self.copies["average"][player][name]
                average.mul_(decay).add_(parameter, alpha=1 - decay)

    def look_back(self, player: str, share: Tensor) -> None:
        with torch.no_grad():
            for name, parameter in self.learners[player].parameters.items():
                copy = self.copies["lookahead"][player][name]
                parameter.copy_(copy.mul_(1 - share).add_(parameter * share))

    def get_running(self, name: str) -> Tensor:
        return self.running[name].clone()  # the tensor itself is overwritten

    def set_running(self, name: str, value: Tensor) -> None:
        self.running[name].copy_(value)


def as_leaves(outputs: Images) -> dict[str, Tensor]:
    """Return the outputs as leaves, where the graph of the network that made them ends."""
    return {name: value.detach().requires_grad_(True) for name, value in outputs.items()}
