"""The players in PyTorch: eager forward passes, autograd, torch's optimizers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gandem.backends.torch.network import Network, draws_inward
from gandem.backends.torch.optimizers import Learner
from gandem.core.training import DrawFeed, Loss, Played


class TorchPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(
        self,
        networks: Mapping[str, Network],
        learners: Mapping[str, Learner],
        averages: Mapping[str, Mapping[str, Tensor]],
        running: Mapping[str, Tensor],
    ) -> None:
        self.networks = networks
        self.learners = learners
        self.averages = averages
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

    def slope(self, player: str, image: Tensor, **inputs: Tensor) -> Tensor:
        leaf = image.detach().requires_grad_(True)
        output = self.apply(player, image=leaf, **inputs)
        return torch.autograd.grad(output[:, :1].sum(), leaf, create_graph=True)[0]

    def kernels(self, player: str) -> list[Tensor]:
        network = self.networks[player]
        arrays = network.arrays()
        matrices = []
        for name, axis in network.plan.kernels().items():
            weight, order = arrays[name]
            matrices.append(weight.permute(order).movedim(axis, -1).flatten(0, -2))
        return matrices

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        with torch.set_grad_enabled(back):
            output = self.apply(player, **inputs)
        leaf = output.detach().requires_grad_(True)  # the graph of the other player ends here
        weights = list(self.learners[player].parameters.values())
        return Played(leaf, lambda gradient: torch.autograd.grad(output, weights, gradient))

    def learn(
        self, player: str, loss: Loss, through: Played | None = None, *, floor: float | None = None
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        value, report = loss()
        learner = self.learners[player]
        weights = list(learner.parameters.values())
        if through is None:
            gradients = torch.autograd.grad(value, weights)
        else:  # only the gradient of the image, no weight gradients of the other player
            first, *rest = torch.autograd.grad(value, [through.value, *weights], allow_unused=True)
            pairs = zip(through.pull(first), rest, strict=True)
            gradients = [pulled if own is None else pulled + own for pulled, own in pairs]
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
                self.averages[player][name].mul_(decay).add_(parameter, alpha=1 - decay)

    def get_running(self, name: str) -> Tensor:
        return self.running[name].clone()  # the tensor itself is overwritten

    def set_running(self, name: str, value: Tensor) -> None:
        self.running[name].copy_(value)
