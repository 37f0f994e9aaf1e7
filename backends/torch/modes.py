"""The modes outside the parity promise: mixed precision, and random numbers drawn by torch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandem.backends.torch.layers import SpectralNorm
from gandem.backends.torch.players import TorchPlayers
from gandem.core.rng import part_of
from gandem.core.specs import Latent, Spec
from gandem.core.training import KEY, AdversarialLoss, Arrays, Draw, list_draws

# --- mixed precision -----------------------------------------------------------------------------


class MixedPlayers(TorchPlayers):
    """Players whose forward passes autocast to bfloat16; their outputs are float32, and so are
    losses and penalties.
    """

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> Tensor:
        device = next(iter(inputs.values())).device.type
        with torch.autocast(device, torch.bfloat16):
            output = super().apply(player, observed, **inputs)
        for name, value in (observed or {}).items():
            observed[name] = value.float()
        return output.float()

    def layer_slope(self, player: str, layer: str, direction: Tensor, **inputs: Tensor) -> Tensor:
        with torch.autocast(direction.device.type, torch.bfloat16):
            return super().layer_slope(player, layer, direction, **inputs).float()


class SinglePrecision(nn.Module):
    """A mix-in for modules that compute in float32 also inside autocast."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)


def keep_norms_float32(network: nn.Module) -> None:
    """Make the norms of a network compute in float32 inside autocast, spectral norm's power
    iteration too, because autocast would round the terms of their sums.
    """
    for module in network.modules():
        if isinstance(module, (*NORMS, SpectralNorm)):
            kind = type(module)
            module.__class__ = type(kind.__name__, (SinglePrecision, kind), {})


# --- random numbers drawn by torch --------------------------------------------------------------


class Draws:
    """Draws of torch, as a function of the key of a step.

    The generator is seeded with the key of each step, so a resumed training draws the same numbers.
    """

    def __init__(
        self, spec: Spec, loss: AdversarialLoss, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.spec, self.loss = spec, loss
        self.generator = torch.Generator(device)
        self.how = {"generator": self.generator, "device": device, "dtype": dtype}

    def replace_key(self, inputs: Arrays) -> dict[str, Any]:
        """Return the inputs of a step with drawn arrays, channels-last, instead of the key."""
        arrays = dict(inputs)
        seed, step = arrays.pop(KEY).tolist()
        # not a hash of both: on the CPU torch keeps 32 bits, and steps would collide
        self.generator.manual_seed((part_of(str(seed)) + step) % 2**63)
        draws = list_draws(self.spec, self.loss, arrays)
        return arrays | {name: self._draw(draw) for name, draw in draws.items()}

    def _draw(self, draw: Draw) -> Tensor:
        if draw.kind == "uniform":
            return torch.rand(draw.shape, **self.how)
        if draw.kind == "normal":
            return torch.randn(draw.shape, **self.how)
        if draw.kind == "mask":
            drawn = torch.empty(draw.shape, dtype=torch.uint8, device=self.how["device"])
            return drawn.random_(0, 256, generator=self.generator) >= 256 * draw.rate
        if draw.kind == "mixing":
            rows, columns = draw.shape
            noise = self._noise(self.spec.latent, (rows, columns - 1))
            return torch.cat([noise, torch.rand((rows, 1), **self.how)], dim=1)
        return self._noise(self.spec.latent, draw.shape)

    def _noise(self, latent: Latent, shape: tuple[int, ...]) -> Tensor:
        """Return noise (N, latent.size), as :func:`gandem.core.training.feed.inputs.draw_noise`."""
        uniform = latent.distribution == "uniform"
        noise = 2 * torch.rand(shape, **self.how) - 1 if uniform else torch.randn(shape, **self.how)
        parts = latent.parts
        if "category" in parts:
            how = self.how | {"dtype": torch.int64}
            drawn = torch.randint(latent.categories, shape[:1], **how)
            noise[:, parts["category"]] = F.one_hot(drawn, latent.categories).to(noise.dtype)
        if "code" in parts:
            noise[:, parts["code"]] = 2 * torch.rand((shape[0], latent.codes), **self.how) - 1
        return noise
