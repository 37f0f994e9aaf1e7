"""The engine: a spec with its state on the framework.

Its methods share the state, so replace them together: ``load`` and ``export`` first, which must
preserve every bit; then ``forward``; then ``step``, which makes the players for
``gandem.core.training.train_step`` and compiles it if the framework can.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gandem.core.training import Arrays, Engine


class ExampleEngine:
    """See :class:`gandem.core.training.Engine`."""

    def __init__(self, torch: Engine) -> None:
        self.torch = torch

    def load(self, arrays: Arrays) -> None:
        """Replace the state, bit for bit."""
        self.torch.load(arrays)

    def export(self) -> dict[str, np.ndarray]:
        """Return every array of the state, by canonical name, in canonical layout, as a copy."""
        return self.torch.export()

    def forward(
        self, player: str, inputs: Arrays, *, average: bool = False, layer: str = ""
    ) -> np.ndarray:
        """Run a player in inference mode, up to a layer; images are channels-last."""
        return self.torch.forward(player, inputs, average=average, layer=layer)

    def step(self, inputs: Arrays) -> Mapping[str, Any]:
        """Run one training step on its inputs; the returned scalars stay on the device."""
        return self.torch.step(inputs)

    def read(self, scalars: Mapping[str, Any]) -> dict[str, float]:
        """Return scalars of the device as numbers."""
        return self.torch.read(scalars)

    def native(self, player: str, *, average: bool = False) -> Any:
        """Return a copy of a player as a network of the framework, in inference mode."""
        return self.torch.native(player, average=average)
