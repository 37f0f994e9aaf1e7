"""The protocols of a backend: tensor functions, players, and an engine around them.

``Tensor`` is the tensor type of the framework. The methods of an engine take and return NumPy
arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gandem.core.specs import IMAGE, NetworkPlan, Spec
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.ops import Arrays, Images, Tensor

__all__ = [
    "ArithmeticReporter",
    "Backend",
    "DataHolder",
    "Differentiator",
    "Engine",
    "Evaluation",
    "Loss",
    "MultiStep",
    "Objective",
    "Played",
    "Players",
    "ThreadSetter",
    "Tracer",
    "name_outputs",
    "run_resolutions",
]

Loss = Callable[[], tuple[Tensor, Mapping[str, Tensor]]]
"""Computes a loss: returns the scalar and further scalars to report, which need no gradient.
``learn`` calls it exactly once, because each of its forward passes counts.
"""


def run_resolutions(
    engine: Engine, plan: NetworkPlan, inputs: Arrays, *, average: bool = False
) -> dict[str, np.ndarray]:
    """Run a player in inference mode and return its images in each resolution, by their names."""
    return {
        name: engine.forward(plan.name, inputs, average=average, layer=layer)
        for name, layer in {IMAGE: "", **plan.images}.items()
    }


@dataclass(slots=True)
class Played:
    """The outputs of a player, as :func:`name_outputs` returns them: ``value``, and ``pull``, which
    propagates their gradients to the player's weights.

    A loss must read ``value`` on each call and keep no copy. A framework that differentiates
    functions instead of tensors replaces it during ``learn`` with ``through``.
    """

    value: Mapping[str, Tensor]
    pull: Callable[[Mapping[str, Tensor]], Any]


def name_outputs(
    plan: NetworkPlan, output: Tensor, observed: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the outputs of a pass by the names under which other networks read them: ``"image"``
    and, in lower resolutions, ``"image:8"`` …, of an encoder ``"noise"``.

    Args:
        output: of the last layer.
        observed: the outputs of the layers that the plan's ``outputs`` lists.
    """
    if plan.name == "encoder":
        return {"noise": output}
    return {IMAGE: output} | {name: observed[layer] for name, layer in plan.images.items()}


class Players(Protocol):
    """The networks inside one training step. Every forward pass is in training mode and counts as
    one pass.

    The weights of a player are those of :meth:`gandem.core.specs.NetworkPlan.trained`; those of
    frozen layers, and their copies, stay as they are. Only :meth:`kernels` has all.
    """

    def kernels(self, player: str) -> list[Tensor]:
        """Return the kernels of a player, inside a :data:`Loss`, each as a matrix (kh·kw·in, out).
        Gradients of the weights pass through them, also in ``learn`` with ``through``.

        They are those of :meth:`gandem.core.specs.NetworkPlan.kernels`, in this order.
        """

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        """Run a player forward and return its outputs, see :func:`name_outputs`; with
        ``back=False`` no gradient of this pass will be asked for.
        """

    def apply(
        self, player: str, observed: dict[str, Tensor] | None = None, **inputs: Tensor
    ) -> Tensor:
        """Run a player forward, inside a :data:`Loss`.

        Args:
            observed: receives the outputs of the layers that the player's ``outputs`` lists, by
                name; images are in the framework's own layout.
        """

    def slope(self, player: str, images: Images, **inputs: Tensor) -> tuple[Tensor, Images]:
        """Run a player forward, inside a :data:`Loss`, and return its output and the gradient of
        the sum of its first output column with respect to each of ``images``, by the same names, in
        their shapes. Gradients of the weights pass through both, gradients of ``images`` do not.
        Only called on backends with the capability ``"second-order"``.
        """

    def layer_slope(self, player: str, layer: str, direction: Tensor, **inputs: Tensor) -> Tensor:
        """Run a player forward, inside a :data:`Loss`, and return the gradient of the sum of its
        output times ``direction`` with respect to the output of a layer, one of the player's
        ``outputs``. Gradients of the weights pass through it. Only called on backends with the
        capability ``"second-order"``.
        """

    def learn(
        self,
        player: str,
        loss: Loss,
        through: Played | None = None,
        *,
        floor: float | Tensor | None = None,
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Update the weights of ``player``, and of no other player, by one step on ``loss``.

        The numbers of its optimizer that are schedules are among the inputs of the step, as
        ``schedule/PLAYER.optimizer.learning_rate``, …; see :func:`gandem.core.specs.at_step`.

        With a ``floor``, a loss below it changes neither weights nor optimizer; its forward passes
        count.

        With ``through`` the gradient is taken with respect to its value and propagated back to the
        player that computed them, so no weight gradients of other players are computed. Returns
        what ``loss`` returned, detached.
        """

    def clip(self, player: str, limit: float | Tensor) -> None:
        """Clip the player's weights to ±limit."""

    def average(self, player: str, decay: float | Tensor) -> None:
        """Move the player's weight average: average ← decay·average + (1 - decay)·weights."""

    def look_back(self, player: str, share: Tensor) -> None:
        """Move the player's lookahead copy by a share of the way to its weights, and set the
        weights to it: copy ← (1 - share)·copy + share·weights, weights ← copy.
        """

    def get_running(self, name: str) -> Tensor:
        """Return a number of :func:`gandem.core.training.state.running_numbers`, a scalar without
        gradient, as it is now.
        """

    def set_running(self, name: str, value: Tensor) -> None:
        """Replace such a number, outside a :data:`Loss`."""


class Engine(Protocol):
    """A spec instantiated on a framework and a device."""

    def step(self, inputs: Arrays) -> Mapping[str, Tensor]:
        """Run core's training step on the arrays of one step; the scalars stay on the device.

        Where the arrays have a key, :func:`gandem.core.training.list_draws` says what the framework
        draws beside them, as a function of it. Only asked of backends with the capability
        ``"device-randomness"``.
        """

    def read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        """Bring scalars off the device, in the order of
        :func:`gandem.core.training.metric_names`.
        """

    def forward(
        self, player: str, inputs: Arrays, *, average: bool = False, layer: str = ""
    ) -> np.ndarray:
        """Run a player in inference mode (running statistics, no dropout); channels-last in and
        out.

        Args:
            inputs: those of the network; or the output of one of its layers, ``layer:NAME``, from
                which it goes on, and the inputs that it reads from there on.
            layer: the layer whose output to return; by default the last. See
                :meth:`gandem.core.specs.NetworkPlan.part`.
        """

    def export(self) -> dict[str, np.ndarray]:
        """Return every array of the state, by canonical name, in canonical layout, contiguous, as a
        copy that later steps leave alone.
        """

    def load(self, arrays: Arrays) -> None:
        """Take over a state, bit for bit."""

    def native(self, player: str, *, average: bool = False) -> Any:
        """Return a copy of a player's network as the framework's own, ready for inference."""


@runtime_checkable
class DataHolder(Protocol):
    """An engine that can keep the data set on its device (optional)."""

    def hold(self, images: np.ndarray, values: np.ndarray) -> None:
        """Keep images, uint8 (N, H, W, C), on the device, and the value of each of the 256 bytes.

        From then on a step's inputs may have indices ``chosen/i`` (n,), int64, instead of
        ``real/i``.
        """


@runtime_checkable
class MultiStep(Protocol):
    """An engine that can make several steps in one call (optional), for frameworks in which a call
    is slow compared to a small step.
    """

    @property
    def steps_per_call(self) -> int:
        """Steps to make in one call if nothing else is due between them."""

    def steps(self, inputs: Sequence[Arrays]) -> Mapping[str, Tensor]:
        """Run ``steps_per_call`` steps, whose arrays have equal shapes; return the scalars of the
        last. The result is bit-identical to that of single steps.
        """


Objective = Callable[..., tuple[Tensor, Mapping[str, Tensor]]]
"""``objective(ops, apply, variables, constants)`` computes a scalar from tensors by name, with
:class:`gandem.core.training.Ops` and ``apply`` of :class:`Players`, here in inference mode. It
returns the scalar and further tensors to report. Images are in the framework's own layout.
"""


class Evaluation(NamedTuple):
    """The scalar of an objective, what it reports, and its gradient by each variable; arrays of
    four axes are channels-last.
    """

    value: float
    report: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]


@runtime_checkable
class Differentiator(Engine, Protocol):
    """An engine that can differentiate functions of arrays through its networks (optional)."""

    def differentiate(
        self, objective: Objective, constants: Arrays, *, average: bool = False
    ) -> Callable[[Arrays], Evaluation]:
        """Return a function that evaluates an objective and its gradient at the variables.

        Args:
            constants: the arrays that the objective reads beside the variables.
            average: run players with their averaged weights, if they have them.
        """


@runtime_checkable
class Tracer(Protocol):
    """An engine that can write the framework's own profile of some steps (optional)."""

    def trace(self, path: Path) -> AbstractContextManager[object]:
        """Return a context that profiles what the engine does in it, and writes it to a path.

        The format and whether it is a file or a folder are the framework's.
        """


@runtime_checkable
class ArithmeticReporter(Protocol):
    """A backend that reports what the last bits of its results depend on (optional)."""

    def arithmetic(self, device: str) -> dict[str, str]:
        """Return what they depend on besides the versions, by name: ``"threads"``, ``"CPU"``, …."""


@runtime_checkable
class ThreadSetter(Protocol):
    """A backend whose number of CPU threads can be chosen (optional)."""

    def set_threads(self, count: int) -> None:
        """Compute on ``count`` CPU threads from now on; do nothing if it is too late for that.

        ``arithmetic`` reports the number that is really used.
        """


@runtime_checkable
class Backend(Protocol):
    """A framework."""

    capabilities: Collection[str]
    """Which of :data:`gandem.core.training.CAPABILITIES` it has. A training that needs another one
    is refused before it begins, and the tests of that capability are skipped.
    """

    def versions(self) -> dict[str, str]:
        """Return the versions of its packages, the framework first."""

    def devices(self) -> list[str]:
        """Return the available devices: ``"cpu"``, ``"cuda:0"``, …."""

    def engine(
        self, spec: Spec, loss: AdversarialLoss, state: Arrays, *, precision: str, device: str
    ) -> Engine:
        """Return an engine for a spec and its loss, with a state.

        Args:
            loss: what the players minimize; a backend passes it to core's training step.
            state: every array, with the dtype ``precision``. With ``"bfloat16"``, mixed precision,
                the state is float32 and only the products of training steps are rounded; with
                ``"tf32"`` all products on a GPU that supports it.

        Raises:
            BackendError: there is no such device.
        """
