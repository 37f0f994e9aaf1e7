"""Handing over: half of the steps on one backend, a checkpoint, the other half on another.

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
    Promise,
    ladder,
    losses_of,
    mark_between,
    promise_of,
    read_arrays,
)

__all__ = ["Direction", "Handover", "Limits", "hand_over", "limits_of", "marks_after"]

STRAIGHT = ("reference", "other")
ROUTES = {
    "from reference": (0, 1),
    "from other": (1, 0),
    "reference resumed": (0, 0),
    "other resumed": (1, 1),
}
"""Who goes on: which of the two backends left the checkpoint, and which takes it over."""


@dataclass(frozen=True, slots=True)
class Direction:
    """The continuation of a checkpoint on one backend, compared with the uninterrupted trajectory.

    Attributes:
        source: the backend that wrote the checkpoint.
        target: the backend that continued from it.
        load_exact: every array of the checkpoint was loaded byte for byte.
        load_max: the largest difference between a loaded array and the checkpoint.
        identical: the losses and the last state equal those of the uninterrupted trajectory byte
            for byte; None after a hand-over, which has no such promise.
        weights_max: the largest difference of a trained weight, at any mark.
        loss_max: the largest difference of a loss.
        fault: what is not as promised; None where all is.
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
        """Return the direction as plain data; ``identical`` is there where it is promised."""
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
    """What became of the checkpoints after ``at`` steps: handed over both ways, and resumed."""

    at: int
    directions: tuple[Direction, ...]

    @property
    def faults(self) -> tuple[Direction, ...]:
        """The directions in which something is not as promised."""
        return tuple(direction for direction in self.directions if direction.fault)

    def to_data(self) -> dict[str, Any]:
        """Return the hand-over as plain data."""
        return {"at": self.at, "directions": [d.to_data() for d in self.directions]}


@dataclass(frozen=True, slots=True)
class Limits:
    """The tolerances of a hand-over: after the first step, and at every later mark."""

    first: tuple[Promise, ...]
    later: tuple[Promise, ...]

    @property
    def words(self) -> str:
        """What the tier promises, in words."""
        across = ", ".join(dict.fromkeys(p.words for p in (*self.first, *self.later)))
        return f"loads bit-exact; resumed on the same backend bit-identical; handed over {across}"

    def broken_by(self, marks: tuple[Mark, ...]) -> str | None:
        """Return what is the first to be out of the limits, in words."""
        for i, mark in enumerate(marks):
            for promise in self.later if i else self.first:
                if not promise.kept(mark):
                    away = f"{mark.weights_max:.1e} ({mark.ratio:.2g} × the baseline)"
                    return f"{away} from the uninterrupted trajectory after step {mark.step}"
        return None


def limits_of(precision: str, size: str, tolerance: float, at: int) -> Limits:
    """Return the limits that a hand-over after ``at`` steps is held to.

    In float64 at the small size the limit is the trajectory's tolerance. Elsewhere it comes from
    the 1-ulp baseline. The baseline started at the first step and may be far away by now, so the
    first step after the hand-over is held to the step tier: it starts from the same state on both.

    In float32 trajectories separate when a pre-activation within rounding of 0 takes the other side
    of a kink, and the baseline does so at other moments: the limit of the step tier for one step is
    added for each further step, however close the baseline still is.

    Args:
        tolerance: the model's own.
    """
    trajectory, step, baseline = (
        promise_of(tier, precision, tolerance) for tier in ("trajectory", "step", "baseline")
    )
    if precision == "float32":
        words = f"then 2e-4 a step, or {baseline.words}"
        either = Promise(
            words,
            lambda mark: baseline.kept(mark) or mark.weights_max <= FLOAT32_ALL * (mark.step - at),
        )
        return Limits((step,), (either,))
    if size == "full":
        return Limits((step, baseline), (baseline,))
    return Limits((trajectory,), (trajectory,))


def marks_after(steps: int) -> tuple[int, ...]:
    """Return the marks of a hand-over after half of the steps: one step later, then as ever.

    >>> marks_after(300)
    (151, 200, 300)
    """
    at = steps // 2
    return tuple(sorted({at + 1, *(mark for mark in ladder(steps) if mark > at)}))


def hand_over(
    processes: Processes, pair: tuple[str, str], limits: Limits
) -> tuple[Handover, tuple[Mark, ...]]:
    """Walk straight, leave checkpoints after half of the steps, and go on from them.

    Args:
        processes: with the marks of :func:`marks_after`.

    Returns:
        The outcome, and at each mark the worse of both ways across.
    """
    request, at = processes.request, processes.marks[-1] // 2
    processes.run(
        *(request(who, name, checkpoint=at) for who, name in zip(STRAIGHT, pair, strict=True)),
        request("baseline", pair[0], baseline=True),
    )
    routes = [
        _Route(processes.folder, who, STRAIGHT[by], pair[by], pair[to], at, by == to)
        for who, (by, to) in ROUTES.items()
    ]
    processes.run(*(request(r.who, r.target, resumed=str(r.checkpoint)) for r in routes))
    found = {route: route.marks(processes.marks) for route in routes}
    across = zip(*(marks for route, marks in found.items() if not route.own), strict=True)
    worse = tuple(_worse(*both) for both in across)
    directions = tuple(route.outcome(found[route], worse, limits) for route in routes)
    return Handover(at, directions), worse


@dataclass(frozen=True, slots=True)
class _Route:
    """A process that went on from a checkpoint, and the uninterrupted trajectory that left it."""

    folder: Path
    who: str
    straight: str
    source: str
    target: str
    at: int
    own: bool

    @property
    def checkpoint(self) -> Path:
        return checkpoint_path(self.folder / self.straight, self.at)

    def outcome(self, marks: Sequence[Mark], worse: Sequence[Mark], limits: Limits) -> Direction:
        """Name what is not as promised.

        Args:
            worse: the marks of both ways across, which end the limits where all is saturated.
        """
        unlike, load_max = self._load()
        changed = self._changed() if self.own else None
        fault = None
        if unlike:
            fault = f"the load is not bit-exact: {_listed(unlike)}"
        elif changed:
            fault = f"not bit-identical to the uninterrupted trajectory: {changed}"
        elif not self.own:
            held = (replace(a, saturated=b.saturated) for a, b in zip(marks, worse, strict=True))
            fault = limits.broken_by(tuple(held))
        return Direction(
            source=self.source,
            target=self.target,
            load_exact=not unlike,
            load_max=load_max,
            identical=changed is None if self.own else None,
            weights_max=_largest(mark.weights_max for mark in marks),
            loss_max=_largest(mark.loss_max for mark in marks),
            fault=fault,
        )

    def marks(self, steps: tuple[int, ...]) -> tuple[Mark, ...]:
        """Compare the trajectory with the straight one after some steps."""
        trajectories = (self.folder / self.straight, self.folder / self.who)
        baselines = (self.folder / STRAIGHT[0], self.folder / "baseline")
        losses = np.abs(losses_of(trajectories[0])[self.at :] - losses_of(trajectories[1]))
        return tuple(
            mark_between(step, trajectories, baselines, float(losses[: step - self.at].max()))
            for step in steps
        )

    def _load(self) -> tuple[list[str], float]:
        """Return what was not taken over byte for byte, and by how much it is off."""
        kept = read_checkpoint(self.checkpoint).state
        taken = read_arrays(self.folder / self.who / "loaded.npz")
        alike = [n for n in kept if n in taken and taken[n].shape == kept[n].shape]
        return _unlike(kept, taken), _largest(np.abs(taken[n] - kept[n]).max() for n in alike)

    def _changed(self) -> str | None:
        """Return what is not byte for byte as on the uninterrupted trajectory."""
        places = [self.folder / who for who in (self.straight, self.who)]
        unlike = _unlike(*(read_arrays(place / "end.npz") for place in places))
        if unlike:
            return _listed(unlike)
        straight, again = (np.load(place / "losses.npy") for place in places)
        rows = zip(straight[self.at :], again, strict=True)
        for step, (ours, theirs) in enumerate(rows, self.at + 1):
            if ours.tobytes() != theirs.tobytes():
                return f"the losses of step {step}"
        return None


def _unlike(expected: Arrays, found: Arrays) -> list[str]:
    """Return the names of arrays that are missing, too many, or differ in type, shape or bytes."""
    return [
        name
        for name in dict.fromkeys((*expected, *found))
        if name not in expected
        or name not in found
        or expected[name].dtype != found[name].dtype
        or expected[name].shape != found[name].shape
        or expected[name].tobytes() != found[name].tobytes()
    ]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _worse(first: Mark, second: Mark) -> Mark:
    """Return the larger distances of both marks."""
    return replace(
        first,
        weights_max=_largest((first.weights_max, second.weights_max)),
        weights_median=_largest((first.weights_median, second.weights_median)),
        loss_max=_largest((first.loss_max, second.loss_max)),
        within=min(first.within, second.within),
        saturated=first.saturated and second.saturated,
    )


def _largest(values: Iterable[float]) -> float:
    """Return the largest of some numbers: NaN if one of them is."""
    return float(np.max([*values]))
