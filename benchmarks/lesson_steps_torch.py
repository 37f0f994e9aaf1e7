"""One step of the lesson in PyTorch against one step of our entry.

The lesson takes its choices as arguments; the defaults are those of the entry.
"""

import json
from typing import Any

import numpy as np
import torch
from lesson_steps import Arrays, Step, step_of
from notebooks_torch import dcgan_discriminator, dcgan_generator
from torch import nn


def dcgan(step: Step, *, bias: bool = False, sigmoid: bool = False) -> dict[str, Arrays]:
    """Make the step of lesson C; a bias before batch norm is also in its running mean, which is
    then left out.
    """
    generator = dcgan_generator(bias=bias)
    discriminator = dcgan_discriminator(bias=bias, sigmoid=sigmoid)
    players = {"generator": generator, "discriminator": discriminator}
    places = {name: _places(player) for name, player in players.items()}
    with torch.no_grad():
        for name, arrays in step.before.items():
            for place, (path, value) in zip(places[name], arrays.items(), strict=True):
                place.copy_(torch.from_numpy(_to_torch(path, value)))
    adams = [
        torch.optim.Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.999)) for p in players.values()
    ]
    entropy = nn.BCELoss() if sigmoid else nn.BCEWithLogitsLoss()
    real = torch.from_numpy(step.inputs["real/0"].transpose(0, 3, 1, 2))
    fake = generator(torch.from_numpy(step.inputs["noise/0"]))
    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    d_loss = entropy(discriminator(real), ones) + entropy(discriminator(fake.detach()), zeros)
    d_loss.backward()
    adams[1].step()
    entropy(discriminator(fake), ones).backward()
    adams[0].step()
    return {
        name: {
            path: _from_torch(path, place.detach().numpy(), value.shape)
            for place, (path, value) in zip(places[name], arrays.items(), strict=True)
            if not (bias and path.endswith("/mean"))
        }
        for name, arrays in step.before.items()
    }


def _places(network: Any) -> list[Any]:
    """Return the tensors of a network in the order of its layers, without biases that our entry
    does not have.
    """
    norms, weights = (nn.BatchNorm1d, nn.BatchNorm2d), []
    for module, following in zip(network, [*network[1:], None], strict=True):
        if isinstance(module, norms):
            weights += [module.weight, module.bias, module.running_mean, module.running_var]
        elif hasattr(module, "weight"):
            weights += [module.weight]
            weights += [] if isinstance(following, norms) else [module.bias]
    return weights


FIRST = ("generator/dense/kernel", *(f"generator/batch_norm/{n}" for n in ("scale", "offset")))
FIRST += ("generator/batch_norm/mean", "generator/batch_norm/variance")
"""Arrays whose last axis holds 7×7×128 features: in PyTorch's order 128×7×7."""


def _to_torch(path: str, value: np.ndarray) -> np.ndarray:
    """Return an array in the layout of PyTorch, with channels-first features."""
    if path in FIRST:
        value = value.reshape(-1, 7, 7, 128).transpose(0, 3, 1, 2).reshape(value.shape)
    if path == "discriminator/dense/kernel":
        value = value.reshape(7, 7, 128, 1).transpose(2, 0, 1, 3).reshape(value.shape)
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
    return np.ascontiguousarray(value.transpose(order))


def _from_torch(path: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of PyTorch in the layout of the state; the inverse of :func:`_to_torch`."""
    value = value.transpose({4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim])
    if path in FIRST:
        value = value.reshape(-1, 128, 7, 7).transpose(0, 2, 3, 1)
    if path == "discriminator/dense/kernel":
        value = value.reshape(128, 7, 7, 1).transpose(1, 2, 0, 3)
    return value.reshape(shape)


def measure() -> dict[str, float]:
    """Return the differences of the lesson in PyTorch by entry and choice."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    step = step_of("dcgan", "torch")
    kernel = step.before["discriminator"]["discriminator/conv2d/kernel"]
    return {
        "dcgan": step.difference(dcgan(step)),
        "dcgan bias": step.difference(dcgan(step, bias=True)),
        "dcgan sigmoid": step.difference(dcgan(step, sigmoid=True)),
        "dcgan weights, ours": float(kernel.std()),
        "dcgan weights, lesson": float(torch.nn.Conv2d(1, 64, 4, 2, 1).weight.detach().std()),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
