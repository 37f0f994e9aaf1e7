"""The first step of an entry, in float64, and its difference from the step of a lesson.

The networks of the lessons are those of ``speed/notebooks_torch.py`` and ``notebooks_keras.py``.
"""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import load_dataset
from gandem.core.specs import load_spec, plan_spec
from gandem.core.training import Feed, initial_state, load_backend, load_loss

__all__ = ["Arrays", "Step", "step_of"]

sys.path.append(str(Path(__file__).parent / "speed"))

Arrays = dict[str, np.ndarray]
"""The weights and running statistics of a player in the order of its layers."""


class Step:
    """The first step of an entry on the digits.

    Attributes:
        inputs: the batch and the noise; images are (N, H, W, C).
        before: the arrays of each player before the step.
        after: the arrays of each player after the step.
    """

    def __init__(self, entry: str, backend: str, settings: Mapping[str, Any]) -> None:
        spec = load_spec(entry, settings)
        loss = load_loss(spec.loss)
        self.inputs = Feed(spec, loss, load_dataset("digits"), 0, "float64")(0)
        state = initial_state(spec, 0, "float64")
        engine = load_backend(backend).engine(spec, loss, state, precision="float64", device="cpu")
        engine.step(self.inputs)
        names = {
            player: [p.name for node in plan.walk() for p in (*node.parameters, *node.statistics)]
            for player, plan in plan_spec(spec).items()
        }
        exported = engine.export()
        self.before = {player: {n: state[n] for n in names[player]} for player in names}
        self.after = {player: {n: exported[n] for n in names[player]} for player in names}

    def difference(self, lesson: Mapping[str, Arrays]) -> float:
        """Return the largest difference of an array of the lesson after its step."""
        return max(
            float(np.abs(value - self.after[player][name]).max())
            for player, arrays in lesson.items()
            for name, value in arrays.items()
        )


step_of = cache(lambda entry, backend, *settings: Step(entry, backend, dict(settings)))
"""Return the :class:`Step` of an entry with some settings, (path, value) each."""
