"""What a backend must provide: a handful of tensor functions, players that play and learn, and an
engine around them.

Nothing here computes.  ``Tensor`` is whatever the framework computes with; NumPy arrays cross the
border of an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from gandem.core.specs import NetworkPlan, Optimizer, Spec

__all__ = [
    "Arrays",
    "Backend",
    "Derivatives",
    "Engine",
    "Loss",
    "Ops",
    "Played",
    "Players",
    "Profiled",
    "Resident",
    "Several",
    "Stage",
    "Tensor",
]

Tensor = Any
Stage = Literal["transfer", "forward", "backward"]
"""How far a step goes: the inputs are on the device; each player has played and been judged; there
are gradients, which nobody follows.
"""
Arrays = Mapping[str, np.ndarray]
Loss = Callable[[], tuple[Tensor, Mapping[str, Tensor]]]
"""A loss to learn from: returns the scalar, and other scalars to report (already of no further use
for gradients).  One ``learn`` calls it exactly once, since each forward pass in it counts.
"""


class Ops(Protocol):
    """The tensor functions that losses and the protocol are written with, beside ``+ - * /``
    and slices of rows and columns.
    """

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of all elements, a scalar."""

    def square(self, x: Tensor) -> Tensor:
        """Return x², elementwise."""

    def sqrt(self, x: Tensor) -> Tensor:
        """Return √x, elementwise, for x > 0."""

    def sum_rows(self, x: Tensor) -> Tensor:
        """Return the sum of each row's elements, (N,), for x (N, …)."""

    def relu(self, x: Tensor) -> Tensor:
        """Return max(x, 0), elementwise, with derivative 0 at 0."""

    def softplus(self, x: Tensor) -> Tensor:
        """Return log(1 + exp(x)), elementwise, exact for every x (never a shortcut above some
        threshold).
        """

    def cross_entropy(self, logits: Tensor, weights: Tensor) -> Tensor:
        """Return the mean over rows of -Σ weights·log softmax(logits), in nats, for logits and
        class weights (N, K), whose rows sum to 1.
        """

    def positive(self, x: Tensor) -> Tensor:
        """Return 1 where x > 0 and 0 elsewhere, elementwise, with no gradient."""

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the rows of ``first`` followed by those of ``second``."""

    def warp(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return images whose rows and columns are mixtures of the old: Σₕ Σᵥ rows[n, a, h] ·
        images[n, h, v, c] · columns[n, b, v], for images (N, H, W, C) in the framework's own order,
        rows (N, H, H) and columns (N, W, W).
        """


@dataclass(slots=True)
class Played:
    """What a player made: ``value``, and ``pull``, which takes a gradient of value back to the
    player's weights.

    A loss reads ``value`` whenever it is called and keeps no copy: a framework that differentiates
    functions, and not tensors, puts there what it differentiates by, as long as ``learn`` with
    ``through`` lasts.
    """

    value: Tensor
    pull: Callable[[Tensor], Any]


class Players(Protocol):
    """The networks alive inside one training step.  Every forward pass is in training mode and
    counts as one pass.
    """

    def play(self, player: str, *, back: bool = True, **inputs: Tensor) -> Played:
        """Run a player forward, keeping the way back unless nobody will ask for it."""

    def apply(self, player: str, **inputs: Tensor) -> Tensor:
        """Run a player forward, inside a :data:`Loss`."""

    def slope(self, player: str, image: Tensor, **inputs: Tensor) -> Tensor:
        """Run a player forward, inside a :data:`Loss`, and return the gradient of the sum of its
        first output column by ``image``, in the image's shape.  The weights' gradients go on
        through it; those of ``image`` end here.  Only asked of backends with the capability
        ``"second-order"``.
        """

    def learn(
        self, player: str, loss: Loss, through: Played | None = None, *, floor: float = 0.0
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Update the weights of ``player``, and of nobody else, by one step down ``loss``.

        With a ``floor`` other than 0, a loss below it leaves the weights and the optimizer as they
        are; its forward passes have counted.

        With ``through`` the gradient is taken with respect to that value and pulled back to the
        player that made it, so no other player's weight gradients are computed.  Returns what
        ``loss`` returned, detached.
        """

    def clip(self, player: str, limit: float) -> None:
        """Cut the player's weights off at ±limit."""

    def average(self, player: str, decay: float) -> None:
        """Move the player's weight average: average ← decay·average + (1 - decay)·weights."""


class Engine(Protocol):
    """A spec alive on a framework and a device."""

    def step(self, inputs: Arrays) -> Mapping[str, Tensor]:
        """Run core's training step on the arrays of one step; the scalars stay on the device.

        Where the arrays have a key, :func:`gandem.core.training.draws_of` says what the framework
        draws beside them, as a function of it.  Only asked of backends with the capability
        ``"device-randomness"``.
        """

    def read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        """Bring scalars off the device, in the order of
        :func:`gandem.core.training.metric_names`.
        """

    def forward(self, player: str, inputs: Arrays, *, average: bool = False) -> np.ndarray:
        """Run a player in inference mode (running statistics, no dropout); channels-last in and
        out.
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
class Resident(Protocol):
    """What an engine may have beside the rest, where the data can lie on its device."""

    def hold(self, images: np.ndarray, values: np.ndarray) -> None:
        """Keep images, uint8 (N, H, W, C), on the device, and what each of the 256 bytes stands for
        there.  From then on a step's inputs may have ``chosen/i`` (n,), int64, in place of
        ``real/i``.
        """


@runtime_checkable
class Several(Protocol):
    """What an engine may have beside the rest, where a call costs a share of a small step."""

    @property
    def steps_per_call(self) -> int:
        """How many steps it would rather make in one call, where nothing is due between them."""

    def steps(self, inputs: Sequence[Arrays]) -> Mapping[str, Tensor]:
        """Run ``steps_per_call`` steps, whose arrays are alike in shape; return the last one's
        scalars.  The same numbers, bit for bit, as one after the other.
        """


@runtime_checkable
class Profiled(Protocol):
    """What an engine may have beside the rest, so that a profile can take its step apart."""

    def until(self, stage: Stage) -> Callable[[Arrays], Any]:
        """Return a step that goes only so far; it returns when all of that is computed.

        It changes no weights; running statistics may go on.
        """


@dataclass(frozen=True, slots=True)
class Derivatives:
    """What :meth:`Backend.differentiate` measured; gradients by name of input or parameter."""

    value: np.ndarray
    first: dict[str, np.ndarray]
    second: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]


@runtime_checkable
class Backend(Protocol):
    """A framework.  The last three functions show single operations to a conformance test, always
    in float64 on the CPU.
    """

    capabilities: Collection[str]
    """Which of :data:`gandem.core.training.CAPABILITIES` it has; a training that takes another is
    refused before it begins, and the tests of it are skipped.
    """

    known_failures: Mapping[str, str]
    """The conformance tests that it fails, by the name of the test or of its case, each with the
    reason.  One that does not fail after all is a failure.
    """

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages it runs on, the framework first."""

    def devices(self) -> list[str]:
        """Return the devices that are there: ``"cpu"``, ``"cuda:0"``, …."""

    def engine(self, spec: Spec, arrays: Arrays, *, precision: str, device: str) -> Engine:
        """Build an engine from a spec and a state, whose arrays have the type that ``precision``
        names; in ``"bfloat16"``, mixed precision, the state is float32, and only the products of
        training steps are narrower; in ``"tf32"`` so are all products on a GPU that has it.

        Raises:
            BackendError: the device is not there.
        """

    def differentiate(
        self,
        plan: NetworkPlan,
        arrays: Arrays,
        inputs: Arrays,
        cotangent: np.ndarray,
        masks: Arrays,
    ) -> Derivatives:
        """Run a network in training mode and differentiate it twice.

        ``inputs`` are those of ``plan.inputs``; ``masks`` are Boolean, batch first, by the path of
        their dropout layer; ``statistics`` come back as they are after exactly one pass.

        With s = Σ cotangent·output: ``first`` is ∂s by every input and parameter; ``second`` is the
        same of h = ½ Σ (∂s/∂x)², summed over all inputs x, which is what a gradient penalty
        follows.  Without the capability ``"second-order"`` it may be empty.
        """

    def gradient(
        self, function: Callable[..., Tensor], arrays: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Evaluate ``function(ops, **tensors)``, a scalar, and its gradient by each array."""

    def optimize(
        self, optimizer: Optimizer, arrays: Arrays, gradients: Sequence[Arrays]
    ) -> list[dict[str, np.ndarray]]:
        """Apply an optimizer to arrays for a list of gradients; return the arrays after each
        update.
        """
