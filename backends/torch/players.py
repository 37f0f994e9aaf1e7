"""The players alive in PyTorch: eager forward passes, autograd's way back, torch's optimizers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gandem.backends.torch.network import Network, masks_inward
from gandem.backends.torch.optimizers import Learner
from gandem.core.training import Loss, MaskFeed, Played, Stage


class TorchPlayers:
    """See :class:`gandem.core.training.Players`."""

    def __init__(
        self,
        networks: Mapping[str, Network],
        learners: Mapping[str, Learner],
        averages: Mapping[str, Mapping[str, Tensor]],
    ) -> None:
        self.networks = networks
        self.learners = learners
        self.averages = averages
        self.masks = MaskFeed({})
        self.stage: Stage | None = None  # how far a step goes, None for all the way

    def begin(self, inputs: Mapping[str, Tensor]) -> None:
        """Start a step: count its passes from 0."""
        self.masks = MaskFeed(inputs)

    def apply(self, player: str, **inputs: Tensor) -> Tensor:
        network = self.networks[player]
        read = [inputs[name] for name in network.plan.inputs]
        return network(*read, masks=masks_inward(self.masks.next()))

    def slope(self, player: str, image: Tensor, **inputs: Tensor) -> Tensor:
        leaf = image.detach().requires_grad_(True)
        made = self.apply(player, image=leaf, **inputs)
        return torch.autograd.grad(made[:, :1].sum(), leaf, create_graph=True)[0]

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        with torch.set_grad_enabled(back):
            made = self.apply(player, **inputs)
        leaf = made.detach().requires_grad_(True)  # the other player's graph ends here
        weights = list(self.learners[player].parameters.values())
        return Played(leaf, lambda gradient: torch.autograd.grad(made, weights, gradient))

    def learn(
        self, player: str, loss: Loss, through: Played | None = None, *, floor: float = 0.0
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        value, report = loss()
        if self.stage == "forward":
            return value.detach(), report
        learner = self.learners[player]
        if through is None:
            gradients = torch.autograd.grad(value, list(learner.parameters.values()))
        else:  # only what leads to the image is computed: no weight gradients of the other player
            gradients = through.pull(torch.autograd.grad(value, through.value)[0])
        if self.stage != "backward" and (not floor or value >= floor):
            learner.update(gradients)
        return value.detach(), {name: scalar.detach() for name, scalar in report.items()}

    def clip(self, player: str, limit: float) -> None:
        if self.stage is not None:
            return
        with torch.no_grad():
            for parameter in self.learners[player].parameters.values():
                parameter.clamp_(-limit, limit)

    def average(self, player: str, decay: float) -> None:
        if self.stage is not None:
            return
        with torch.no_grad():
            for name, parameter in self.learners[player].parameters.items():
                self.averages[player][name].mul_(decay).add_(parameter, alpha=1 - decay)
