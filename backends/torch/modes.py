"""The modes outside the parity promise: mixed precision, and random numbers of torch's own."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandem.backends.torch.layers import SpectralNorm
from gandem.backends.torch.players import TorchPlayers
from gandem.core.rng import part_of
from gandem.core.specs import Latent, Spec
from gandem.core.training import KEY, AdversarialLoss, Arrays, Draw, draws_of, rows_of_step

# --- mixed precision -----------------------------------------------------------------------------


class MixedPlayers(TorchPlayers):
    """Players whose forward passes autocast to bfloat16; what they make is float32 again, so that
    losses and penalties are.
    """

    def apply(self, player: str, **inputs: Tensor) -> Tensor:
        device = next(iter(inputs.values())).device.type
        with torch.autocast(device, torch.bfloat16):
            made = super().apply(player, **inputs)
        return made.float()


class Single(nn.Module):
    """What computes in float32 also where autocast would not."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)


def keep_norms_single(network: nn.Module) -> None:
    """Have a network's norms compute in float32 inside of autocast, spectral norm's power iteration
    too: batch norm's own mixture would round each sum's terms, and autocast the iteration.
    """
    for module in network.modules():
        if isinstance(module, (*NORMS, SpectralNorm)):
            kind = type(module)
            module.__class__ = type(kind.__name__, (Single, kind), {})


# --- random numbers of torch's own ---------------------------------------------------------------


class Draws:
    """What torch draws for a step, as a function of the step's key.

    One generator for all of it, seeded anew by each step's key: what a step draws depends on
    nothing before it, so a training that is resumed draws the same.
    """

    def __init__(
        self, spec: Spec, loss: AdversarialLoss, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.spec, self.loss = spec, loss
        self.generator = torch.Generator(device)
        self.how = {"generator": self.generator, "device": device, "dtype": dtype}

    def beside(self, inputs: Arrays) -> dict[str, Any]:
        """Return a step's inputs with what is drawn in the place of their key, channels last."""
        given = dict(inputs)
        seed, step = given.pop(KEY).tolist()
        # not a hash of both: on the CPU torch keeps 32 bits of it, and steps would meet
        self.generator.manual_seed((part_of(str(seed)) + step) % 2**63)
        wanted = draws_of(self.spec, self.loss, rows_of_step(self.spec, given))
        return given | self._all(wanted)

    def _all(self, wanted: Mapping[str, Draw]) -> dict[str, Tensor]:
        return {name: self._draw(draw) for name, draw in wanted.items()}

    def _draw(self, draw: Draw) -> Tensor:
        if draw.kind == "uniform":
            return torch.rand(draw.shape, **self.how)
        if draw.kind == "mask":
            drawn = torch.empty(draw.shape, dtype=torch.uint8, device=self.how["device"])
            return drawn.random_(0, 256, generator=self.generator) >= 256 * draw.rate
        return self._noise(self.spec.latent, draw.shape)

    def _noise(self, latent: Latent, shape: tuple[int, ...]) -> Tensor:
        """Return noise (N, latent.size), as :func:`gandem.core.training.inputs.draw_noise` has it."""
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
