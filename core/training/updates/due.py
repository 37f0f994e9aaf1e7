"""Which parts of a training step are due, of those that not every step has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gandem.core.specs import Spec
from gandem.core.training.ops import Tensor

PENALTY_FACTOR = "penalty_factor"
"""The factor of gradient penalties, an input of the steps that compute them, if not all do."""
PATH_FACTOR = "path_factor"
"""The factor of path length regularization, likewise."""


class Due(NamedTuple):
    """The parts of one step: gradient penalties, and path length regularization."""

    penalty: bool = True
    path: bool = True

    @classmethod
    def at(cls, spec: Spec, step: int) -> Due:
        """Return the parts of a step, counted from 0."""
        loss = spec.loss
        return cls(step % loss.penalty_interval == 0, step % loss.path_length.interval == 0)

    @classmethod
    def among(cls, spec: Spec, inputs: Mapping[str, Tensor]) -> Due:
        """Return the parts of a step with these inputs."""
        loss = spec.loss
        return cls(
            loss.penalty_interval == 1 or PENALTY_FACTOR in inputs,
            loss.path_length.interval == 1 or PATH_FACTOR in inputs,
        )

    def factors(self, spec: Spec) -> dict[str, int]:
        """Return the factor of each part that is due, if not in each step, by its input's name."""
        intervals = (
            (PENALTY_FACTOR, self.penalty, spec.loss.penalty_interval),
            (PATH_FACTOR, self.path, spec.loss.path_length.interval),
        )
        return {name: interval for name, due, interval in intervals if due and interval > 1}


WHOLE_STEP = Due()
"""A step in which all parts are due."""
