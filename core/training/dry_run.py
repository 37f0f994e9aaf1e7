"""The forward passes of a step, recorded in a dry run, so that each gets random numbers of its
own: dropout masks and pixel noise.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.plugins.registry import registry
from gandem.core.specs import (
    FADE_IN,
    IMAGE,
    REFERENCE,
    Schedule,
    Shape,
    Spec,
    at_resolution,
    find_schedules,
    has_encoder,
    image_shapes,
    input_shapes,
    plan_spec,
)
from gandem.core.specs.layers.base import Draws
from gandem.core.training.feed.augmentation import disturbance_shapes
from gandem.core.training.losses import AdversarialLoss, is_paired
from gandem.core.training.ops import Images, Tensor
from gandem.core.training.protocols import Loss, Played, name_outputs
from gandem.core.training.step import train_step
from gandem.core.training.updates.discriminator import ADAPT
from gandem.core.training.updates.due import WHOLE_STEP, Due
from gandem.core.training.updates.path_length import count_paths

__all__ = [
    "DRAW_KINDS",
    "DrawFeed",
    "Flowing",
    "NumpyOps",
    "Pass",
    "PassRecorder",
    "check_functions",
    "make_zeros",
    "packed_shapes",
    "passes_of_step",
    "step_inputs",
]


DRAW_KINDS = get_args(Draws)
"""What layers draw in training: the first part of ``mask/1/discriminator/dropout``."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass of a step: its number in program order, the player, the batch size."""

    number: int
    player: str
    rows: int


def step_inputs(
    spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...], due: Due = WHOLE_STEP
) -> dict[str, Shape]:
    """Return the name and shape, batch first, of every array that one step reads, without
    what layers draw.

    Args:
        rows: the number of images in each round; the last batch of an epoch may be smaller.
        due: the parts of the step.
    """
    shapes = input_shapes(spec)
    arrays: dict[str, Shape] = {}
    for i, count in enumerate(rows):
        for name, shape in image_shapes(spec).items():
            arrays[f"{at_resolution('real', name)}/{i}"] = (count, *shape)
        arrays[f"noise/{i}"] = (count, *shapes["noise"])
        if spec.classes:
            arrays[f"label/{i}"] = (count, *shapes["label"])
        if spec.loss.gradient_penalty and due.penalty:
            packed, groups = packed_shapes(spec), count // spec.training.pac
            arrays[f"mix/{i}"] = (groups, *(1 for _ in packed[IMAGE]))
            if spec.loss.gradient_penalty_points == "near-real":
                for name, shape in packed.items():
                    arrays[f"{at_resolution('shift', name)}/{i}"] = (groups, *shape)
    last = rows[-1] * spec.training.generator_batches
    if spec.training.noise == "fresh":
        arrays["noise/generator"] = (last, *shapes["noise"])
        if spec.classes and last != rows[-1]:
            arrays["label/generator"] = (last, *shapes["label"])
    for where, count in count_seen_images(spec, loss, rows, last).items():
        arrays |= disturbance_shapes(spec, where, count)
    if any(FADE_IN in plan.inputs for plan in plan_spec(spec).values()):
        arrays[FADE_IN] = (1, 1)
    if spec.loss.path_length.weight and due.path:
        paths = count_paths(spec, last)
        arrays |= {
            "noise/path": (paths, *shapes["noise"]),
            "direction/path": (paths, *shapes["image"]),
        }
        if spec.classes:
            arrays["label/path"] = (paths, *shapes["label"])
    arrays |= dict.fromkeys(due.factors(spec), ())
    if spec.training.augment.adaptive_target:
        arrays[ADAPT] = ()
    return arrays | dict.fromkeys(schedule_names(spec), ())


def packed_shapes(spec: Spec) -> dict[str, Shape]:
    """Return the shapes of the images that the discriminator reads, by name: ``training.pac`` of
    them side by side.
    """
    inputs = plan_spec(spec)["discriminator"].inputs
    return {name: inputs[name] for name in image_shapes(spec)}


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


def count_seen_images(
    spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...], last: int
) -> dict[str, int]:
    """Return the groups of images that the discriminator sees in a step, with their sizes.

    The updates of encoder and generator may compare with ``"real/generator"``.

    Args:
        rows: the number of images in each round.
        last: the number of images of the generator's update.
    """
    counts: dict[str, int] = {}
    for i, count in enumerate(rows):
        counts |= {f"real/{i}": count, f"fake/{i}": count}
    if is_paired(loss) or spec.loss.feature_matching or has_encoder(spec):
        counts["real/generator"] = rows[-1]
    return counts | {"generator": last}


def passes_of_step(
    spec: Spec, loss: AdversarialLoss, rows: tuple[int, ...], due: Due = WHOLE_STEP
) -> tuple[Pass, ...]:
    """Return the forward passes of one step, in program order, for the batch of each round.

    Args:
        due: the parts of the step.
    """
    recorder = PassRecorder(spec)
    shapes = step_inputs(spec, loss, rows, due)
    inputs = {name: make_zeros(shape) for name, shape in shapes.items()}
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
        return make_zeros((len(first) + len(second), *first.shape[1:]), first, second)

    def ranks(self, x: np.ndarray) -> np.ndarray:
        """Return the rank of each row by its first element."""
        order = np.argsort(-x[:, 0], kind="stable")
        return np.argsort(order)[:, None].astype(float)

    def column_products(self, x: np.ndarray) -> Tensor:
        """Return the inner products of different columns."""
        products: np.ndarray = x.T @ x
        np.fill_diagonal(products, 0.0)
        return products

    def pack(self, images: np.ndarray, count: int) -> np.ndarray:
        """Return zeros in the shape of ``count`` images side by side in the last axis."""
        rows, *sides, channels = images.shape
        return make_zeros((rows // count, *sides, count * channels), images)

    def batch_mean(self, x: np.ndarray) -> Tensor:
        """Return the mean over rows."""
        return x.mean(axis=0, keepdims=True)

    def channel_mean(self, images: np.ndarray) -> np.ndarray:
        """Return the mean over the channels."""
        return make_zeros((*images.shape[:-1], 1), images)

    def image_mean(self, images: np.ndarray) -> np.ndarray:
        """Return the mean of each image."""
        return make_zeros((len(images), 1, 1, 1), images)

    def warp(self, images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return zeros in the images' shape."""
        return make_zeros(images.shape, images)

    def gram(self, images: np.ndarray) -> np.ndarray:
        """Return zeros for each pair of channels."""
        return make_zeros((len(images), images.shape[-1], images.shape[-1]))


class PassRecorder:
    """Players that only record the passes of a step; see
    :class:`gandem.core.training.protocols.Players`.
    """

    def __init__(self, spec: Spec) -> None:
        self._plans = plan_spec(spec)
        self.passes: list[Pass] = []

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> np.ndarray:
        """Record a pass; return zeros."""
        rows, plan = next(iter(inputs.values())).shape[0], self._plans[player]
        self.passes.append(Pass(len(self.passes), player, rows))
        if observed is not None:
            shapes = {node.reference: node.output_shape for node in plan.walk()}
            observed |= {
                name: make_zeros((rows, *shapes[REFERENCE + name])) for name in plan.outputs
            }
        return make_zeros((rows, *plan.output_shape))

    def slope(self, player: str, images: Images, **inputs: Tensor) -> tuple[np.ndarray, Images]:
        """Record a pass; return zeros."""
        output = self.apply(player, **images, **inputs)
        return output, {name: make_zeros(image.shape) for name, image in images.items()}

    def layer_slope(
        self, player: str, layer: str, direction: Tensor, **inputs: Tensor
    ) -> np.ndarray:
        """Record a pass; return zeros in the shape of the layer's output."""
        observed: dict[str, Tensor] = {}
        self.apply(player, observed, **inputs)
        return make_zeros(observed[layer].shape)

    def kernels(self, player: str) -> list[np.ndarray]:
        """Return none."""
        return []  # a term of them adds no pass

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        """Record a pass."""
        observed: dict[str, Tensor] = {}
        output = self.apply(player, observed, **inputs)
        outputs = name_outputs(self._plans[player], output, observed)
        return Played(outputs, lambda gradients: None)

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Tensor | None = None,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Record the passes of a loss."""
        return loss()

    def clip(self, player: str, limit: float) -> None:
        """Do nothing."""

    def average(self, player: str, decay: float) -> None:
        """Do nothing."""

    def look_back(self, player: str, share: np.ndarray) -> None:
        """Do nothing."""

    def get_running(self, name: str) -> np.ndarray:
        """Return zero."""
        return make_zeros(())

    def set_running(self, name: str, value: np.ndarray) -> None:
        """Do nothing."""


class Flowing(np.ndarray):
    """Zeros that depend on numbers by which a gradient is taken."""


def make_zeros(shape: Shape, *origins: np.ndarray) -> np.ndarray:
    """Return zeros as a view, since a dry run takes no memory; they are :class:`Flowing` if one of
    the arrays that they are computed from is.
    """
    zeros = np.broadcast_to(np.float64(0), shape)
    return zeros.view(Flowing) if any(isinstance(each, Flowing) for each in origins) else zeros
