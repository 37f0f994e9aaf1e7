"""The forward passes of a step, recorded in a dry run, so that each gets random numbers of its
own: dropout masks and pixel noise.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.plugins.registry import registry
from gandem.core.specs import (
    REFERENCE,
    Schedule,
    Shape,
    Spec,
    find_schedules,
    input_shapes,
    plan_spec,
)
from gandem.core.training.feed.augmentation import disturbance_shapes
from gandem.core.training.losses import AdversarialLoss, is_paired
from gandem.core.training.ops import Tensor
from gandem.core.training.protocols import Loss, Played
from gandem.core.training.step import ADAPT, PENALTY_FACTOR, train_step

__all__ = [
    "DRAW_KINDS",
    "DrawFeed",
    "NumpyOps",
    "Pass",
    "check_functions",
    "passes_of_step",
    "step_inputs",
]


DRAW_KINDS = ("mask", "normal")
"""What layers draw in training: the first part of ``mask/1/discriminator/dropout``."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass of a step: its number in program order, the player, the batch size."""

    number: int
    player: str
    rows: int


def step_inputs(
    spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...], *, penalizes: bool = True
) -> dict[str, Shape]:
    """Return the name and shape, batch first, of every array that one step reads, without
    what layers draw.

    Args:
        rows: the number of images in each round; the last batch of an epoch may be smaller.
        penalizes: True for a step that computes gradient penalties.
    """
    shapes = input_shapes(spec)
    found: dict[str, Shape] = {}
    for i, count in enumerate(rows):
        found[f"real/{i}"] = (count, *shapes["image"])
        found[f"noise/{i}"] = (count, *shapes["noise"])
        if spec.classes:
            found[f"label/{i}"] = (count, *shapes["label"])
        if spec.loss.gradient_penalty and penalizes:
            packed = plan_spec(spec)["discriminator"].inputs["image"]
            groups = count // spec.training.pac
            found[f"mix/{i}"] = (groups, *(1 for _ in packed))
            if spec.loss.gradient_penalty_points == "near-real":
                found[f"shift/{i}"] = (groups, *packed)
    last = rows[-1] * spec.training.generator_batches
    if spec.training.noise == "fresh":
        found["noise/generator"] = (last, *shapes["noise"])
        if spec.classes and last != rows[-1]:
            found["label/generator"] = (last, *shapes["label"])
    for where, count in judged(loss, rows, last).items():
        found |= disturbance_shapes(spec, where, count)
    if spec.loss.penalty_interval > 1 and penalizes:
        found[PENALTY_FACTOR] = ()
    if spec.training.augment.adaptive_target:
        found[ADAPT] = ()
    return found | dict.fromkeys(schedule_names(spec), ())


@functools.lru_cache(maxsize=64)
def schedule_names(spec: Spec) -> Mapping[str, Schedule | None]:
    """Return the schedules whose values a step reads, by their names among its inputs.

    ``schedule/training.ema_decay`` has no schedule of its own if only the half-life has one.
    """
    schedules: dict[str, Schedule | None]
    schedules = {f"schedule/{path}": schedule for path, schedule in find_schedules(spec)}
    if "schedule/training.ema_half_life" in schedules:
        schedules["schedule/training.ema_decay"] = None
    return schedules


def judged(loss: AdversarialLoss, rows: tuple[int, ...], last: int) -> dict[str, int]:
    """Return the groups of images that the discriminator sees in a step, with their sizes.

    A paired loss compares the images of the generator's update with ``"real/generator"``.

    Args:
        rows: the number of images in each round.
        last: the number of images of the generator's update.
    """
    found: dict[str, int] = {}
    for i, count in enumerate(rows):
        found |= {f"real/{i}": count, f"fake/{i}": count}
    return found | ({"real/generator": last} if is_paired(loss) else {}) | {"generator": last}


def passes_of_step(
    spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...], *, penalizes: bool = True
) -> tuple[Pass, ...]:
    """Return the forward passes of one step, in program order, for the batch of each round.

    Args:
        penalizes: True for a step that computes gradient penalties.
    """
    recorder = _Recorder(spec)
    shapes = step_inputs(spec, loss, rows, penalizes=penalizes)
    inputs = {name: _zeros(shape) for name, shape in shapes.items()}
    train_step(spec, loss, recorder, NumpyOps(), inputs)
    return tuple(recorder.passes)


def check_functions(spec: Spec, loss: AdversarialLoss) -> None:
    """Check that a loss calls no tensor function that does not exist.

    Raises:
        SpecError: it calls one; the message lists the functions.
    """
    try:
        passes_of_step(spec, loss, (spec.training.pac,) * spec.training.discriminator_steps)
    except AttributeError as error:
        if isinstance(error.obj, NumpyOps):
            functions = sorted(name for name in dir(NumpyOps) if not name.startswith("_"))
            raise SpecError(
                f"The {registry().find('losses', spec.loss.name).full_name} calls "
                f"ops.{error.name}, which does not exist. The functions are: "
                f"{', '.join(functions)}."
            ) from None
    except Exception:  # not on zeros in NumPy; the step itself raises what is wrong with it
        return


class DrawFeed:
    """Gives each forward pass of one step what its layers draw, in program order."""

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        self._inputs = inputs
        self._number = 0

    def next(self) -> dict[str, Tensor]:
        """Return the random numbers of the next pass, by the path of their layer."""
        prefixes = [f"{kind}/{self._number}/" for kind in DRAW_KINDS]
        self._number += 1
        return {
            name.removeprefix(prefix): value
            for name, value in self._inputs.items()
            for prefix in prefixes
            if name.startswith(prefix)
        }


class NumpyOps:
    """The tensor functions in NumPy, for dry runs."""

    def mean(self, x: np.ndarray) -> Tensor:
        """Return the mean of all elements."""
        return np.mean(x)

    def square(self, x: np.ndarray) -> Tensor:
        """Return x²."""
        return x * x

    def sqrt(self, x: np.ndarray) -> Tensor:
        """Return √x."""
        return np.sqrt(x)

    def sum_rows(self, x: np.ndarray) -> Tensor:
        """Return the sum of each row."""
        return x.reshape(len(x), -1).sum(axis=1)

    def relu(self, x: np.ndarray) -> Tensor:
        """Return max(x, 0)."""
        return np.where(x > 0, x, 0 * x)

    def softplus(self, x: np.ndarray) -> Tensor:
        """Return log(1 + exp(x))."""
        return np.logaddexp(0.0, x)

    def cross_entropy(self, logits: np.ndarray, weights: np.ndarray) -> Tensor:
        """Return the mean cross-entropy of rows."""
        shifted = logits - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -np.mean(np.sum(weights * logs, axis=1))

    def positive(self, x: np.ndarray) -> Tensor:
        """Return 1 where x > 0, else 0."""
        return (x > 0).astype(float)

    def join(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return rows of zeros, as many as both have together."""
        return _zeros((first.shape[0] + second.shape[0], *first.shape[1:]))

    def ranks(self, x: np.ndarray) -> np.ndarray:
        """Return the rank of each row by its first element."""
        order = np.argsort(-x[:, 0], kind="stable")
        return np.argsort(order)[:, None].astype(float)

    def column_products(self, x: np.ndarray) -> np.ndarray:
        """Return the inner products of different columns."""
        products = x.T @ x
        return products - np.diag(np.diag(products))

    def pack(self, images: np.ndarray, count: int) -> np.ndarray:
        """Return zeros in the shape of ``count`` images side by side in the last axis."""
        rows, *sides, channels = images.shape
        return _zeros((rows // count, *sides, count * channels))

    def channel_mean(self, images: np.ndarray) -> np.ndarray:
        """Return the mean over the channels."""
        return _zeros((*images.shape[:-1], 1))

    def image_mean(self, images: np.ndarray) -> np.ndarray:
        """Return the mean of each image."""
        return _zeros((len(images), 1, 1, 1))

    def warp(self, images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return zeros in the images' shape."""
        return _zeros(images.shape)


class _Recorder:
    """Players that only record the passes of a step."""

    def __init__(self, spec: Spec) -> None:
        self._plans = plan_spec(spec)
        self.passes: list[Pass] = []

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> np.ndarray:
        rows, plan = next(iter(inputs.values())).shape[0], self._plans[player]
        self.passes.append(Pass(len(self.passes), player, rows))
        if observed is not None:
            shapes = {node.reference: node.output_shape for node in plan.walk()}
            observed |= {name: _zeros((rows, *shapes[REFERENCE + name])) for name in plan.outputs}
        return _zeros((rows, *plan.output_shape))

    def slope(self, player: str, image: Tensor, **inputs: Tensor) -> np.ndarray:
        self.apply(player, image=image, **inputs)
        return _zeros(image.shape)

    def kernels(self, player: str) -> list[np.ndarray]:
        return []  # a term of them adds no pass

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        return Played(self.apply(player, **inputs), lambda gradient: None)

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Tensor | None = None,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        return loss()

    def clip(self, player: str, limit: float) -> None:
        pass

    def average(self, player: str, decay: float) -> None:
        pass

    def get_running(self, name: str) -> np.ndarray:
        return _zeros(())

    def set_running(self, name: str, value: np.ndarray) -> None:
        pass


def _zeros(shape: Shape) -> np.ndarray:
    return np.broadcast_to(np.float64(0), shape)  # a view: a dry run takes no memory
