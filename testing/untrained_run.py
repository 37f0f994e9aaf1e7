"""A run in memory with random weights, to test exporters without a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.export import ExportNetwork
from gandem.core.export.network import make_network
from gandem.core.rng import Purpose, part_of, stream
from gandem.core.runs.checkpoint import Checkpoint
from gandem.core.runs.record import DataRecord, RunRecord
from gandem.core.specs import NetworkPlan, Parameter, Spec, digest, load_spec, plan_spec
from gandem.core.specs.shapes.stages import stage_specs
from gandem.core.training import initial_state
from gandem.core.training.state import STAGE, WEIGHT

__all__ = ["UntrainedRun", "make_run"]

ITERATIONS = 10
"""Power iterations, after which σ is far from 0."""


@dataclass(frozen=True, slots=True)
class UntrainedRun:
    """See :class:`gandem.core.export.SavedRun`."""

    path: Path
    spec: Spec
    record: RunRecord
    state: dict[str, np.ndarray]

    def checkpoint(self, which: int | str = "last") -> Checkpoint:
        """Return the random weights."""
        players = tuple(player.name for player in self.spec.players)
        return Checkpoint(self.path, 0, 0, "float32", self.spec, self.state, {}, players)

    def network(
        self, player: str = "generator", *, ema: bool = True, **choices: str
    ) -> ExportNetwork:
        """Return a player's network, as an exporter receives it."""
        name = self.path.name
        return make_network(self, self.checkpoint(), name, player, ema=ema, **choices)


def make_run(model: str | Spec, backend: str = "torch", **changes: Any) -> UntrainedRun:
    """Return a run of a model at its small size, or of a spec.

    Its weights are random, so that no layer is the identity and no output is nearly constant; the
    averaged weights differ from the last.

    Args:
        backend: that the record names.
        changes: settings, as for :func:`gandem.spec`.
    """
    spec = load_spec(model, changes, small=not isinstance(model, Spec))
    names = tuple(map(str, range(spec.classes)))
    record = RunRecord(
        model=spec.name,
        spec_digest=digest(spec),
        seed=0,
        precision="float32",
        data=DataRecord(name="random", class_names=names),
        backend=backend,
    )
    return UntrainedRun(Path(spec.name), spec, record, _draw_state(spec))


def _draw_state(spec: Spec) -> dict[str, np.ndarray]:
    state = initial_state(spec, 0, "float32")
    stages = stage_specs(spec)
    for stage in stages:
        for plan in plan_spec(stage).values():
            for parameter in plan.parameters() + plan.statistics():
                name, average = parameter.name, f"average/{parameter.name}"
                state[name] = _draw(parameter, state[name])
                if average in state:
                    state[average] = np.float32(0.9) * state[name]
            _iterate(plan, state)
    if spec.training.stages:
        last = len(stages) - 1
        state |= {STAGE: np.array(last, np.float32), WEIGHT: np.array(1, np.float32)}
    return state


def _draw(parameter: Parameter, first: np.ndarray) -> np.ndarray:
    """Return a value of about the size that a trained array has."""
    part = part_of(f"untrained/{parameter.name}")
    numbers = stream(0, Purpose.WEIGHTS, part=part).normal(size=first.shape)
    short = parameter.name.rpartition("/")[2]
    if short in ("left_vector", "right_vector"):
        return first
    if short == "variance":
        value = np.exp(0.5 * numbers)
    elif short in ("kernel", "table"):
        # values that a multiplier scales have the size of the initial ones
        size = 1 / np.sqrt(parameter.fan_in) if parameter.multiplier == 1 else first.std()
        value = size * numbers
    else:
        value = first + 0.1 * numbers
    return value.astype(np.float32)


def _iterate(plan: NetworkPlan, state: dict[str, np.ndarray]) -> None:
    """Give the vectors of spectral norm values near those of a training."""
    for node in plan.walk():
        left, right = f"{node.path}/left_vector", f"{node.path}/right_vector"
        if left in state:
            kernel = np.moveaxis(state[f"{node.path}/kernel"], node.layer.filter_axis, 0)
            matrix = kernel.reshape(len(kernel), -1)  # (out, kh · kw · in)
            u, v = state[left], state[right]
            for _ in range(ITERATIONS):
                u = matrix @ v / np.linalg.norm(matrix @ v)
                v = u @ matrix / np.linalg.norm(u @ matrix)
            state[left], state[right] = u, v
