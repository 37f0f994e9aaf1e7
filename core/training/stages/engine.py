"""The engine of a training in stages: an engine for the current stage, and the arrays of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gandem.core.data.images import downsample_images, upsample_images
from gandem.core.specs import FADE_IN, Image, Spec, plan_spec, result_spec, stage_specs
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.ops import Arrays, Tensor
from gandem.core.training.protocols import Backend, Engine
from gandem.core.training.stages.feed import STAGE_INPUT
from gandem.core.training.state import STAGE, WEIGHT, state_shapes

__all__ = ["StagedEngine", "make_engine"]


def make_engine(
    backend: Backend,
    spec: Spec,
    loss: AdversarialLoss,
    state: Arrays,
    *,
    precision: str,
    device: str,
    trains: bool = True,
) -> Engine:
    """Return an engine on a backend; see :meth:`Backend.engine`.

    Args:
        trains: False for an engine that only runs the networks; those that result from a training
            in stages need none.
    """

    def build(spec: Spec, state: Arrays) -> Engine:
        return backend.engine(spec, loss, state, precision=precision, device=device)

    stages = len(spec.training.stages)
    if not stages:
        return build(spec, state)
    if not trains and (int(state[STAGE]), float(state[WEIGHT])) == (stages - 1, 1.0):
        return build(result_spec(spec), select_arrays(result_spec(spec), state))
    return StagedEngine(spec, build, state)


def select_arrays(spec: Spec, state: Arrays) -> dict[str, np.ndarray]:
    """Return the arrays of a state that a spec has, in its order."""
    return {name: state[name] for name in state_shapes(spec)}


class StagedEngine:
    """Makes each step with an engine for its stage.

    The first step of a stage takes over the state and starts the optimizers anew. Which stage a
    state belongs to is part of it, so that loading it is enough to continue. Seen from outside, all
    images have the size of the spec: those of the generator are enlarged by repeating pixels, those
    that a network reads are averaged over blocks of pixels.

    Args:
        build: returns the engine of a spec without stages, with its state.
    """

    def __init__(self, spec: Spec, build: Callable[[Spec, Arrays], Engine], state: Arrays) -> None:
        self.spec, self._build = spec, build
        self._stage = -1
        self._engine: Engine
        self.load(state)

    def step(self, inputs: Arrays) -> Mapping[str, Tensor]:
        """Make a step of the stage that the inputs name."""
        stage = int(inputs[STAGE_INPUT])
        if stage != self._stage:
            state = self.export()
            fresh = {k: np.zeros_like(v) for k, v in state.items() if k.startswith("optimizer/")}
            self.load(state | fresh | {STAGE: np.full_like(state[STAGE], stage)})
        self._weight = float(inputs[FADE_IN][0, 0]) if FADE_IN in inputs else 1.0
        return self._engine.step({k: v for k, v in inputs.items() if k != STAGE_INPUT})

    def read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        """Bring scalars off the device."""
        return self._engine.read(scalars)

    def forward(
        self, player: str, inputs: Arrays, *, average: bool = False, layer: str = ""
    ) -> np.ndarray:
        """Run a player of the current stage, on and to images of the size of the spec."""
        assert isinstance(self.spec.image, Image)
        stage = stage_specs(self.spec)[self._stage]
        scale = self.spec.image.height // stage.image.shape[0]
        read = dict(inputs)
        if "image" in read:
            read["image"] = downsample_images(read["image"], scale)
        if FADE_IN in plan_spec(stage)[player].inputs:
            read[FADE_IN] = np.full((1, 1), self._weight, self._dtype)
        output = self._engine.forward(player, read, average=average, layer=layer)
        return upsample_images(output, scale) if output.ndim == 4 and not layer else output

    def export(self) -> dict[str, np.ndarray]:
        """Return every array of the state, those of other stages included."""
        numbers = {STAGE: self._stage, WEIGHT: self._weight}
        state = self._engine.export() | self._others
        state |= {name: np.array(value, self._dtype) for name, value in numbers.items()}
        return select_arrays(self.spec, state)

    def load(self, arrays: Arrays) -> None:
        """Take over a state, and build the engine of its stage if it is another one."""
        stage = int(arrays[STAGE])
        self._weight, self._dtype = float(arrays[WEIGHT]), arrays[WEIGHT].dtype
        spec = stage_specs(self.spec)[stage]
        own = select_arrays(spec, arrays)
        self._others = {name: np.array(arrays[name]) for name in arrays if name not in own}
        if stage == self._stage:
            self._engine.load(own)
        else:
            self._stage, self._engine = stage, self._build(spec, own)

    def native(self, player: str, *, average: bool = False) -> Any:
        """Return a copy of a network of the current stage, at the size of the stage."""
        spec = result_spec(self.spec, self._stage, self._weight)
        engine = self._build(spec, select_arrays(spec, self.export()))
        return engine.native(player, average=average)
