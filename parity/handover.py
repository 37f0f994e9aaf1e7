"""The hand-over: half of the steps on one backend, a checkpoint, the other half on another.

Both backends make all steps and write a checkpoint halfway. Each then continues from its own
checkpoint and from the other's. The continuation is compared with the uninterrupted trajectory of
the backend that wrote the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.runs import checkpoint_path, read_checkpoint
from gandem.core.training import Arrays
from gandem.parity.processes import Processes
from gandem.parity.tolerances import (
    FLOAT32_ALL,
    Mark,
    Tolerance,
    choose_tolerance,
    compare_trajectories,
    list_marks,
    read_arrays,
    read_losses,
)

UNINTERRUPTED = ("reference", "other")
ROUTES = {
    "from reference": (0, 1),
    "from other": (1, 0),
    "reference resumed": (0, 0),
    "other resumed": (1, 1),
}
"""The continuations by name: which of the two backends wrote the checkpoint, and which continues
from it.
"""


@dataclass(frozen=True, slots=True)
class Direction:
    """The continuation of a checkpoint on one backend, compared with the uninterrupted trajectory.

    Attributes:
        source: the backend that wrote the checkpoint.
        target: the backend that continued from it.
        load_exact: every array of the checkpoint was loaded byte for byte.
        load_max: the largest difference between a loaded array and the checkpoint.
        identical: the losses and the last state equal those of the uninterrupted trajectory byte
            for byte; None if the backends differ, which promises no such thing.
        weights_max: the largest difference of a trained weight, at any mark.
        loss_max: the largest difference of a loss.
        fault: the first promise that is broken; None if all are kept.
    """

    source: str
    target: str
    load_exact: bool
    load_max: float
    identical: bool | None
    weights_max: float
    loss_max: float
    fault: str | None

    def to_data(self) -> dict[str, Any]:
        """Return the direction as plain data, with ``identical`` only if it is promised."""
        return {
            "from": self.source,
            "to": self.target,
            "load_exact": self.load_exact,
            "load_max": self.load_max,
            **({} if self.identical is None else {"identical": self.identical}),
            "weights_max": self.weights_max,
            "loss_max": self.loss_max,
            "fault": self.fault,
        }


@dataclass(frozen=True, slots=True)
class Handover:
    """The continuations of the checkpoints after ``at`` steps: two handed over, two resumed."""

    at: int
    directions: tuple[Direction, ...]

    @property
    def faults(self) -> tuple[Direction, ...]:
        """The directions with a fault."""
        return tuple(direction for direction in self.directions if direction.fault)

    def to_data(self) -> dict[str, Any]:
        """Return the hand-over as plain data."""
        return {"at": self.at, "directions": [d.to_data() for d in self.directions]}


@dataclass(frozen=True, slots=True)
class Limits:
    """The tolerances of a hand-over: after the first step, and at every later mark."""

    first: tuple[Tolerance, ...]
    later: tuple[Tolerance, ...]

    @property
    def text(self) -> str:
        """The promise of the tier."""
        limits = ", ".join(dict.fromkeys(limit.text for limit in (*self.first, *self.later)))
        return f"loads bit-exact; resumed on the same backend bit-identical; handed over {limits}"

    def find_fault(self, marks: Sequence[Mark]) -> str | None:
        """Return a description of the first mark outside the limits, if there is one."""
        for index, mark in enumerate(marks):
            for limit in self.later if index else self.first:
                if not limit.is_met(mark):
                    difference = f"{mark.weights_max:.1e} ({mark.ratio:.2g} × the baseline)"
                    return f"{difference} from the uninterrupted trajectory after step {mark.step}"
        return None


def choose_limits(precision: str, size: str, tolerance: float, at: int) -> Limits:
    """Return the limits of a hand-over after ``at`` steps.

    In float64 at the small size, the limit is the tolerance of the trajectory. Otherwise it comes
    from the 1-ulp baseline, which started at the first step and may be far away by now. The first
    step after the hand-over starts from the same state on both backends, so it has the tolerance
    of the step tier.

    In float32, trajectories separate when a pre-activation within rounding of 0 falls on the other
    side of a kink, which happens to the baseline at other steps. So the tolerance of the step tier
    is added for each further step, however small the difference of the baseline still is.

    Args:
        tolerance: the model's own.
    """
    trajectory, step, baseline = (
        choose_tolerance(tier, precision, tolerance) for tier in ("trajectory", "step", "baseline")
    )
    if precision == "float32":

        def is_met(mark: Mark) -> bool:
            return baseline.is_met(mark) or mark.weights_max <= FLOAT32_ALL * (mark.step - at)

        return Limits((step,), (Tolerance(f"then 2e-4 a step, or {baseline.text}", is_met),))
    if size == "full":
        return Limits((step, baseline), (baseline,))
    return Limits((trajectory,), (trajectory,))


def list_later_marks(steps: int) -> tuple[int, ...]:
    """Return the marks after half of the steps: the next step, and the usual marks after it.

    >>> list_later_marks(300)
    (151, 200, 300)
    """
    at = steps // 2
    return tuple(sorted({at + 1, *(mark for mark in list_marks(steps) if mark > at)}))


def measure_handover(
    processes: Processes, pair: tuple[str, str], limits: Limits
) -> tuple[Handover, tuple[Mark, ...]]:
    """Train without interruption, write checkpoints after half of the steps, continue from them.

    Args:
        processes: with the marks of :func:`list_later_marks`.

    Returns:
        The hand-over, and at each mark the larger differences of both directions.
    """
    request, marks = processes.request, processes.template.marks
    at = marks[-1] // 2
    processes.run(
        *(request(name, pair[i], checkpoint=at) for i, name in enumerate(UNINTERRUPTED)),
        request("baseline", pair[0], baseline=True),
    )
    routes = [
        _Route(processes.folder, name, UNINTERRUPTED[by], pair[by], pair[to], at, by == to)
        for name, (by, to) in ROUTES.items()
    ]
    processes.run(*(request(r.name, r.target, resumed=str(r.checkpoint)) for r in routes))
    marks_of = {route: route.compare(marks) for route in routes}
    handed_over = [marks_of[route] for route in routes if not route.is_resumed]
    larger = tuple(_take_larger(*both) for both in zip(*handed_over, strict=True))
    directions = tuple(route.check(marks_of[route], larger, limits) for route in routes)
    return Handover(at, directions), larger


@dataclass(frozen=True, slots=True)
class _Route:
    """A process that continued from a checkpoint.

    Attributes:
        written_by: the name of the uninterrupted process that wrote the checkpoint.
        is_resumed: it continued on the backend that wrote the checkpoint.
    """

    folder: Path
    name: str
    written_by: str
    source: str
    target: str
    at: int
    is_resumed: bool

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.folder / self.written_by, self.at)

    def check(self, marks: Sequence[Mark], larger: Sequence[Mark], limits: Limits) -> Direction:
        """Return the direction with its first fault.

        Args:
            larger: the marks of both directions together, which say where all is saturated.
        """
        unequal, load_max = self._check_load()
        changed = self._find_change() if self.is_resumed else None
        fault = None
        if unequal:
            fault = f"the load is not bit-exact: {_shorten(unequal)}"
        elif changed:
            fault = f"not bit-identical to the uninterrupted trajectory: {changed}"
        elif not self.is_resumed:
            pairs = zip(marks, larger, strict=True)
            fault = limits.find_fault([replace(m, saturated=both.saturated) for m, both in pairs])
        return Direction(
            source=self.source,
            target=self.target,
            load_exact=not unequal,
            load_max=load_max,
            identical=changed is None if self.is_resumed else None,
            weights_max=_largest(mark.weights_max for mark in marks),
            loss_max=_largest(mark.loss_max for mark in marks),
            fault=fault,
        )

    def compare(self, steps: tuple[int, ...]) -> tuple[Mark, ...]:
        """Compare the continuation with the uninterrupted trajectory after some steps."""
        trajectories = (self.folder / self.written_by, self.folder / self.name)
        baselines = (self.folder / UNINTERRUPTED[0], self.folder / "baseline")
        expected, received = map(read_losses, trajectories)
        losses = np.abs(expected[self.at :] - received)
        return tuple(
            compare_trajectories(
                step, trajectories, baselines, float(losses[: step - self.at].max())
            )
            for step in steps
        )

    def _check_load(self) -> tuple[list[str], float]:
        """Return the arrays that were not loaded byte for byte, and the largest difference."""
        saved = read_checkpoint(self.checkpoint).state
        loaded = read_arrays(self.folder / self.name / "loaded.npz")
        common = [n for n in saved if n in loaded and loaded[n].shape == saved[n].shape]
        return _list_unequal(saved, loaded), _largest(
            np.abs(loaded[n] - saved[n]).max() for n in common
        )

    def _find_change(self) -> str | None:
        """Return what differs from the uninterrupted trajectory in a byte, if anything does."""
        folders = [self.folder / name for name in (self.written_by, self.name)]
        unequal = _list_unequal(*(read_arrays(folder / "end.npz") for folder in folders))
        if unequal:
            return _shorten(unequal)
        expected, received = (np.load(folder / "losses.npy") for folder in folders)
        rows = zip(expected[self.at :], received, strict=True)
        for step, (first, second) in enumerate(rows, self.at + 1):
            if first.tobytes() != second.tobytes():
                return f"the losses of step {step}"
        return None


def _list_unequal(expected: Arrays, received: Arrays) -> list[str]:
    """Return the names of arrays that are missing, too many, or differ in type, shape or bytes."""

    def describe(arrays: Arrays, name: str) -> object:
        array = arrays.get(name)
        return None if array is None else (array.dtype, array.shape, array.tobytes())

    names = dict.fromkeys((*expected, *received))
    return [name for name in names if describe(expected, name) != describe(received, name)]


def _shorten(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _take_larger(first: Mark, second: Mark) -> Mark:
    """Return the larger differences of both marks."""
    return replace(
        first,
        weights_max=_largest((first.weights_max, second.weights_max)),
        weights_median=_largest((first.weights_median, second.weights_median)),
        loss_max=_largest((first.loss_max, second.loss_max)),
        within=min(first.within, second.within),
        saturated=first.saturated and second.saturated,
    )


def _largest(values: Iterable[float]) -> float:
    """Return the largest of some numbers; NaN if one of them is."""
    return float(np.max([*values]))
