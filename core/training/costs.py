"""The cost of a training step, from shape inference: multiply-adds and memory.

The step runs dry, with players that count what each pass and its gradients take.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gandem.core import machine
from gandem.core.errors import SpecError
from gandem.core.machine import format_size
from gandem.core.specs import REFERENCE, NetworkPlan, Node, Spec, stage_specs
from gandem.core.training.dry_run import Flowing, NumpyOps, PassRecorder, make_zeros, step_inputs
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.ops import Images, Tensor
from gandem.core.training.protocols import Loss, Played
from gandem.core.training.state import state_shapes, stored
from gandem.core.training.step import train_step
from gandem.core.training.updates.due import WHOLE_STEP, Due

__all__ = ["StepCost", "estimate_cost"]

ARRAYS_IN_DRY_RUN = 8
"""Arrays of float64 in the shape of an image that a dry run may hold at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """What a training takes; memory in bytes.

    Attributes:
        batch_size: images in a batch.
        multiply_adds: of the products of a step, forward and backward: those of dense layers,
            convolutions, attention and filters. The mean, if gradient penalties are not computed
            in each step.
        weights: weights, running statistics and the weight average.
        optimizer: the moments of the optimizers.
        activations: an estimate of what a step adds at its peak: its inputs, the outputs of
            layers, and gradients.
    """

    batch_size: int
    multiply_adds: int
    weights: int
    optimizer: int
    activations: int

    @property
    def memory(self) -> int:
        """Bytes in all, beside those of the framework."""
        return self.weights + self.optimizer + self.activations

    def describe_shortage(self) -> str:
        """Return a line with the remedy if this machine has less memory, or an empty text."""
        memory = machine.memory_size()
        if self.memory <= memory:
            return ""
        left = memory - self.weights - self.optimizer
        fitting = left * self.batch_size // self.activations
        remedy = f"--set training.batch_size={fitting} fits" if fitting > 0 else "make it smaller"
        return (
            f"a training takes about {format_size(self.memory)} of memory, this machine has "
            f"{format_size(memory)}; {remedy}"
        )


def estimate_cost(spec: Spec, loss: AdversarialLoss, precision: str = "float32") -> StepCost:
    """Return the cost of a training step; of a training in stages, that of the stage whose steps
    take most, with the arrays of all.

    Raises:
        RunError: the training fits into no memory.
        SpecError: the loss of a plugin cannot run dry.
    """
    if spec.training.stages:
        stages = [estimate_cost(stage, loss, precision) for stage in stage_specs(spec)]
        largest = max(stages, key=lambda cost: cost.memory)
        arrays = _measure_arrays(spec, precision)
        return replace(largest, **arrays)
    dry_run = ARRAYS_IN_DRY_RUN * 8 * spec.training.pac * math.prod(spec.image.shape)
    machine.check_memory(dry_run, f"Training {spec.name!r}", "make the image smaller")
    try:
        whole = _Meter(spec, loss, WHOLE_STEP)
        multiply_adds = whole.multiply_adds
        for part, interval in (
            ("penalty", spec.loss.penalty_interval),
            ("path", spec.loss.path_length.interval),
        ):
            if interval > 1:
                rest = _Meter(spec, loss, WHOLE_STEP._replace(**{part: False}))
                saved = whole.multiply_adds - rest.multiply_adds
                multiply_adds -= saved - saved // interval
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise SpecError(
            f"The cost of a step is unknown: its loss does not run on NumPy arrays ({error})."
        ) from error
    return StepCost(
        batch_size=spec.training.batch_size,
        multiply_adds=multiply_adds,
        activations=whole.peak * (2 if precision == "bfloat16" else _size_of(precision)),
        **_measure_arrays(spec, precision),
    )


def _size_of(precision: str) -> int:
    return np.dtype(stored(precision)).itemsize


def _measure_arrays(spec: Spec, precision: str) -> dict[str, int]:
    """Return the bytes of the ``weights`` and of the ``optimizer``."""
    sizes = {name: math.prod(shape) for name, shape in state_shapes(spec).items()}
    optimizer = sum(size for name, size in sizes.items() if name.startswith("optimizer/"))
    numbers = {"weights": sum(sizes.values()) - optimizer, "optimizer": optimizer}
    return {name: _size_of(precision) * count for name, count in numbers.items()}


class _Meter(PassRecorder):
    """Players that count multiply-adds, and the numbers in memory, of one step.

    A pass costs as much for each image, so the step runs with the smallest batch there is.

    Attributes:
        multiply_adds: of the step.
        peak: the most numbers in memory, beside the state.
    """

    def __init__(self, spec: Spec, loss: AdversarialLoss, due: Due) -> None:
        super().__init__(spec)
        self.multiply_adds = self.peak = 0
        rows = spec.training.pac * spec.loss.path_length.shrink
        self._scale = spec.training.batch_size / rows
        self._learner, self._is_passed = "", False
        self._played: dict[str, int] = {}  # numbers in memory, by player
        self._kept = self._largest = 0
        shapes = step_inputs(spec, loss, (rows,) * spec.training.discriminator_steps, due)
        self._inputs = int(self._scale * sum(map(math.prod, shapes.values())))
        train_step(
            spec, loss, self, NumpyOps(), {name: make_zeros(of) for name, of in shapes.items()}
        )

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> np.ndarray:
        output = super().apply(player, observed, **inputs)
        flowing = [name for name, value in inputs.items() if isinstance(value, Flowing)]
        passes = [_count_forward(self._plans[player])]
        if self._learner:
            learns = player == self._learner and not self._is_passed
            passes.append(
                _count_backward(self._plans[player], flowing if self._is_passed else (), learns)
            )
        self._add(len(output), passes, list(_list_kept(self._plans[player].nodes)))
        return output

    def slope(self, player: str, images: Images, **inputs: Tensor) -> tuple[np.ndarray, Images]:
        output, slopes = super().slope(player, images, **inputs)
        self._add_slope(player, len(output), images)
        return output, slopes

    def layer_slope(
        self, player: str, layer: str, direction: Tensor, **inputs: Tensor
    ) -> np.ndarray:
        slope = super().layer_slope(player, layer, direction, **inputs)
        self._add_slope(player, len(direction), [REFERENCE + layer])
        return slope

    def _add_slope(self, player: str, rows: int, of: Collection[str]) -> None:
        """Count a gradient by inputs or a layer, and its own gradients: by the weights, and by the
        gradient of the next layer.
        """
        plan = self._plans[player]
        passes = 3 * [_count_backward(plan, of, False)]
        self._add(rows, passes, [math.prod(node.output_shape) for node in plan.walk()])

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        self._kept = 0
        played = super().play(player, back=back, **inputs)
        size = sum(output.size for output in played.value.values())
        self._played[player] = self._kept if back else int(self._scale * size)
        return played

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Tensor | None = None,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        self._learner, self._is_passed, self._kept = player, through is not None, 0
        if through is not None:
            outputs = through.value
            through.value = {name: output.view(Flowing) for name, output in outputs.items()}
        result = loss()
        plan, self._learner = self._plans[player], ""
        if through is not None:
            through.value = outputs
            self._add(len(next(iter(outputs.values()))), [_count_backward(plan, (), True)], [0])
        numbers = self._inputs + sum(self._played.values()) + self._kept + 2 * self._largest
        self.peak = max(self.peak, numbers + plan.parameter_count)
        return result

    def _add(self, rows: int, passes: Iterable[int], kept: Collection[int]) -> None:
        """Count the multiply-adds of some passes over a batch, and the numbers that they keep."""
        factor = rows * self._scale
        self.multiply_adds += int(factor * sum(passes))
        self._kept += int(factor * sum(kept))
        self._largest = max(self._largest, int(factor * max(kept)))


def _list_kept(nodes: tuple[Node, ...]) -> Iterator[int]:
    """Yield how many numbers each layer keeps for the gradients of one sample."""
    is_free = False  # the memory of the input
    for node in nodes:
        for branch in node.branches.values():
            yield from _list_kept(branch)
        if not (is_free and node.layer.reuses_memory):
            yield math.prod(node.output_shape) + node.kept
        is_free = not node.is_read


def _count_forward(plan: NetworkPlan) -> int:
    """Return the multiply-adds of one sample, forward."""
    return sum(node.multiply_adds for node in plan.walk())


def _count_backward(plan: NetworkPlan, flowing: Collection[str], learns: bool) -> int:
    """Return the multiply-adds of the gradients of one sample.

    The gradient of a product takes as many as the product itself for each of its two factors that
    depends on weights or inputs whose gradient is computed.

    Args:
        flowing: the inputs, or the layer, by which a gradient is computed.
        learns: the gradients of the weights are computed.
    """
    flows = {name: name in flowing for name in plan.inputs}
    total = 0

    def follow(nodes: tuple[Node, ...], flow: bool) -> bool:
        """Count the nodes of a branch; return True if a gradient flows out of its end."""
        nonlocal total
        for node in nodes:
            start = flows[node.reads] if node.reads else flow
            ends = [follow(branch, start) for branch in node.branches.values()]
            other = (learns and bool(node.parameters)) or any(ends)
            total += node.multiply_adds * (flow + other)
            flow = flows[node.reference] = flow or other or node.reference in flowing
        return flow

    follow(plan.nodes, flows[plan.input])
    return total
