"""The PyTorch engine."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gandem.backends.torch.layers import inward
from gandem.backends.torch.modes import Draws, MixedPlayers, keep_norms_float32
from gandem.backends.torch.network import Network, from_canonical, images_outward, to_canonical
from gandem.backends.torch.ops import TorchOps
from gandem.backends.torch.optimizers import Learner
from gandem.backends.torch.players import TorchPlayers
from gandem.core.specs import Spec, plan_spec
from gandem.core.training import (
    DRAW_KINDS,
    KEY,
    AdversarialLoss,
    Arrays,
    Evaluation,
    Objective,
    running_numbers,
    state_shapes,
    stored,
    train_step,
    weight_copies,
)


class TorchEngine:
    """See :class:`gandem.core.training.Engine`."""

    def __init__(
        self,
        spec: Spec,
        loss: AdversarialLoss,
        arrays: Arrays,
        precision: str,
        device: torch.device,
    ) -> None:
        self.spec, self.loss, self.device = spec, loss, device
        self.ops = TorchOps()
        self.networks = {}
        dtype, mixed = getattr(torch, stored(precision)), precision == "bfloat16"
        self.dtype = dtype
        for name, plan in plan_spec(spec).items():
            network = Network(plan, channels_last=True).to(device=device, dtype=dtype)
            self.networks[name] = network.to(memory_format=torch.channels_last)
            if mixed:
                keep_norms_float32(network)
        weights = {
            name: {path: weight for path, (weight, _) in network.weights().items()}
            for name, network in self.networks.items()
        }
        self.learners = {
            player.name: Learner(player.optimizer, self.networks[player.name].trained())
            for player in spec.players
        }
        self.copies = {
            kind: {
                name: {path: weight.detach().clone() for path, weight in weights[name].items()}
                for name in names
            }
            for kind, names in weight_copies(spec).items()
        }
        self.running = {
            name: torch.zeros((), dtype=dtype, device=device) for name in running_numbers(spec)
        }
        players = MixedPlayers if mixed else TorchPlayers
        self.players = players(self.networks, self.learners, self.copies, self.running)
        self.draws = Draws(spec, loss, device, dtype)
        self.load(arrays)

    def step(self, inputs: Arrays) -> Mapping[str, Tensor]:
        tensors = self._prepare(inputs)
        for network in self.networks.values():
            if not network.training:
                network.train()
        self.players.begin(tensors)
        return train_step(self.spec, self.loss, self.players, self.ops, tensors)

    def _prepare(self, inputs: Arrays) -> dict[str, Tensor]:
        """Return the inputs of a step on the device, images (N, C, H, W)."""
        numbers = {k: value.item() for k, value in inputs.items() if k.startswith("schedule/")}
        tensors = {name: self._move(x) for name, x in inputs.items() if name not in numbers}
        for name in [name for name in tensors if name.startswith("chosen/")]:
            chosen = self.images[tensors.pop(name)].int()  # (N, H, W, C)
            tensors[f"real/{name.removeprefix('chosen/')}"] = self.values[chosen]
        if KEY in tensors:
            key = inputs[KEY]  # read on the CPU
            tensors = self.draws.replace_key({**tensors, KEY: key})
        drawn = tuple(f"{kind}/" for kind in DRAW_KINDS)  # each pass converts its own
        images = (k for k, v in tensors.items() if v.ndim == 4 and not k.startswith(drawn))
        return tensors | {name: inward(tensors[name]) for name in images} | numbers

    def _move(self, value: np.ndarray) -> Tensor:
        """Copy an array to the device; to a GPU without waiting for the copy."""
        tensor = torch.as_tensor(value)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def hold(self, images: np.ndarray, values: np.ndarray) -> None:
        self.images = torch.as_tensor(images).to(self.device)
        self.values = torch.as_tensor(values).to(self.device)

    def read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        values = torch.stack([scalar.double() for scalar in scalars.values()]).tolist()
        return dict(zip(scalars, values, strict=True))

    def forward(
        self, player: str, inputs: Arrays, *, average: bool = False, layer: str = ""
    ) -> np.ndarray:
        network = self._averaged(player) if average else self.networks[player]
        network.eval()
        tensors = {
            name: inward(torch.as_tensor(value, device=self.device))
            for name, value in inputs.items()
        }
        with torch.no_grad():
            return images_outward(network.run(tensors, layer))

    def differentiate(
        self, objective: Objective, constants: Arrays, *, average: bool = False
    ) -> Callable[[Arrays], Evaluation]:
        averages = self.copies.get("average", {}) if average else {}
        networks = {
            name: self._averaged(name) if name in averages else network
            for name, network in self.networks.items()
        }
        fixed = {name: inward(self._move(value)) for name, value in constants.items()}

        def apply(
            player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
        ) -> Tensor:
            return networks[player].eval().run(inputs, observed=observed)

        def evaluate(variables: Arrays) -> Evaluation:
            leaves = {
                name: inward(self._move(value)).requires_grad_(True)
                for name, value in variables.items()
            }
            value, report = objective(self.ops, apply, leaves, fixed)
            gradients = torch.autograd.grad(value, list(leaves.values()))
            return Evaluation(
                value.item(),
                {name: images_outward(x) for name, x in report.items()},
                {name: images_outward(g) for name, g in zip(leaves, gradients, strict=True)},
            )

        return evaluate

    def _averaged(self, player: str) -> Network:
        """Return a copy of a network with its averaged weights."""
        network = deepcopy(self.networks[player])
        with torch.no_grad():
            for name, (weight, _) in network.weights().items():
                weight.copy_(self.copies["average"][player][name])
        return network

    def native(self, player: str, *, average: bool = False) -> Network:
        trained = self._averaged(player) if average else self.networks[player]
        arrays = {name: to_canonical(*location) for name, location in trained.arrays().items()}
        network = Network(trained.plan).to(device=self.device, dtype=self.dtype)
        network.load_arrays(arrays)
        return network.eval()  # inference mode, as in Keras

    @contextlib.contextmanager
    def trace(self, path: Path) -> Iterator[None]:
        """Write a Chrome trace of what the engine does in a block."""
        from torch import profiler

        activities = [profiler.ProfilerActivity.CPU]
        if self.device.type == "cuda":
            activities.append(profiler.ProfilerActivity.CUDA)
        with profiler.profile(activities=activities) as profile:
            yield
        profile.export_chrome_trace(str(path))

    def export(self) -> dict[str, np.ndarray]:
        state = {name: to_canonical(*location) for name, location in self._locations().items()}
        for name, learner in self.learners.items():
            state[f"optimizer/{name}/updates"] = np.array(learner.updates, np.int64)
        return {name: state[name] for name in state_shapes(self.spec)}

    def load(self, arrays: Arrays) -> None:
        for name, location in self._locations().items():
            from_canonical(*location, arrays[name])
        for name, learner in self.learners.items():
            learner.set_updates(int(arrays[f"optimizer/{name}/updates"]))

    def _locations(self) -> dict[str, tuple[Tensor, tuple[int, ...] | None]]:
        """Return the tensor of each array of the state, with its permutation to canonical."""
        locations: dict[str, tuple[Tensor, tuple[int, ...] | None]] = {}
        for player, network in self.networks.items():
            locations |= network.arrays()
            learner = self.learners[player]
            for name, (_, permutation) in network.weights().items():
                for slot in learner.spec.slots if name in learner.parameters else ():
                    locations[f"optimizer/{name}/{slot}"] = (learner.slot(name, slot), permutation)
                for kind, copies in self.copies.items():
                    if player in copies:
                        locations[f"{kind}/{name}"] = (copies[player][name], permutation)
        return locations | {
            f"running/{name}": (value, None) for name, value in self.running.items()
        }
