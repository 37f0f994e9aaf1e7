"""A spec alive on the framework.

The state lives in here, so these methods are replaced together: ``load`` and ``export`` first, for
a state that comes back bit for bit; then ``forward``; then ``step``, which builds the players for
``gandem.core.training.train_step``, compiled if the framework can.
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
        """Take over a state, bit for bit."""
        self.torch.load(arrays)

    def export(self) -> dict[str, np.ndarray]:
        """Return every array of the state, by canonical name, in canonical layout, as a copy."""
        return self.torch.export()

    def forward(self, player: str, inputs: Arrays, *, average: bool = False) -> np.ndarray:
        """Run a player in inference mode; channels-last in and out."""
        return self.torch.forward(player, inputs, average=average)

    def step(self, inputs: Arrays) -> Mapping[str, Any]:
        """Run core's training step on the arrays of one step; the scalars stay on the device."""
        return self.torch.step(inputs)

    def read(self, scalars: Mapping[str, Any]) -> dict[str, float]:
        """Bring scalars off the device."""
        return self.torch.read(scalars)

    def native(self, player: str, *, average: bool = False) -> Any:
        """Return a copy of a player's network as the framework's own, ready for inference."""
        return self.torch.native(player, average=average)
