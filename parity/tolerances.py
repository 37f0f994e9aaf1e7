"""Marks: how far apart trajectories are after some steps, and what each tier promises of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = [
    "FLOAT32_ALL",
    "Mark",
    "Promise",
    "ladder",
    "losses_of",
    "mark_between",
    "promise_of",
    "read_arrays",
]

RATIO = 10.0
FLOAT32_MOST, FLOAT32_ALL = 2e-5, 2e-4


@dataclass(frozen=True, slots=True)
class Mark:
    """Distances after ``step`` steps: largest and median absolute difference over all trained
    weights.

    ``loss_max`` is the largest difference of a loss so far; ``baseline_…`` are the distances of the
    first backend from its 1-ulp baseline; ``within`` is the share of weights within 2e-5;
    ``saturated`` is True if both distances have reached a tenth of the distance the weights have
    moved, where they stop growing. ``statistics_max`` and ``baseline_statistics_max`` are the
    largest differences of running statistics and averaged weights, relative to the largest number
    in their array if that is above 1.
    """

    step: int
    weights_max: float
    weights_median: float
    loss_max: float
    baseline_max: float
    baseline_median: float
    within: float
    floor: float
    saturated: bool
    statistics_max: float = 0.0
    baseline_statistics_max: float = 0.0

    @property
    def ratio(self) -> float:
        """The largest ratio of a distance to the baseline's, which is at least one unit in the last
        place.
        """
        ratios = (
            self.weights_max / max(self.baseline_max, self.floor),
            self.weights_median / max(self.baseline_median, self.floor),
            self.statistics_max / max(self.baseline_statistics_max, self.floor),
        )
        return float(np.max(ratios))  # NaN, where there is one


def ladder(steps: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50, … up to ``steps``, and ``steps`` itself.

    >>> ladder(12)
    (1, 2, 5, 10, 12)
    """
    rungs = [d * 10**e for e in range(12) for d in (1, 2, 5)]
    return (*(m for m in rungs if m < steps), steps)


def mark_between(
    step: int, trajectories: tuple[Path, Path], baselines: tuple[Path, Path], loss_max: float
) -> Mark:
    """Compare two trajectories after ``step`` steps, and one trajectory with its 1-ulp baseline.

    Args:
        trajectories: the folders of two processes.
        baselines: the folders of a trajectory and of its baseline.
        loss_max: the largest difference of a loss, which the mark passes on.
    """
    name = f"mark-{step}.npz"
    apart = np.abs(_flat(trajectories[0] / name) - _flat(trajectories[1] / name))
    ours = _flat(baselines[0] / name)
    wobble = np.abs(ours - _flat(baselines[1] / name))
    moved = float(np.median(np.abs(ours - _flat(baselines[0] / "start.npz"))))
    median, baseline_median = float(np.median(apart)), float(np.median(wobble))
    return Mark(
        step=step,
        weights_max=float(apart.max()),
        weights_median=median,
        loss_max=loss_max,
        baseline_max=float(wobble.max()),
        baseline_median=baseline_median,
        within=float((apart <= FLOAT32_MOST).mean()),
        floor=float(np.finfo(ours.dtype).eps * np.abs(ours).max()),
        saturated=moved > 0 and min(median, baseline_median) >= 0.1 * moved,
        statistics_max=_apart(trajectories, f"statistics-{step}.npz"),
        baseline_statistics_max=_apart(baselines, f"statistics-{step}.npz"),
    )


def _apart(trajectories: tuple[Path, Path], name: str) -> float:
    """Return the largest distance of any array of two trajectories, each by its own scale."""
    ours, theirs = (read_arrays(trajectory / name) for trajectory in trajectories)
    apart = [
        np.max(np.abs(ours[key] - theirs[key]), initial=0.0)
        / max(1.0, np.max(np.abs(ours[key]), initial=0.0))
        for key in ours
    ]
    return float(np.max(apart, initial=0.0))


def losses_of(trajectory: Path) -> np.ndarray:
    """Return a trajectory's losses (steps, 2): the discriminator's and the generator's."""
    found: np.ndarray = np.load(trajectory / "losses.npy")[:, :2]
    return found


@dataclass(frozen=True, slots=True)
class Promise:
    """What a tier promises of every mark, in words and as a test of one mark."""

    words: str
    kept: Callable[[Mark], bool]


def promise_of(tier: str, precision: str, tolerance: float) -> Promise:
    """Return what a tier promises of every mark.

    Args:
        tolerance: the model's own, for the largest distance of a trajectory in float64.
    """
    if tier == "trajectory" and precision == "float64":
        words = f"all weights and running statistics within {tolerance:g} at every mark"
        return Promise(words, lambda mark: _largest(mark) <= tolerance)
    if tier == "step" and precision == "float64":
        words = "all weights and running statistics within 1e-12 after one step"
        return Promise(words, lambda mark: _largest(mark) <= 1e-12)
    if tier == "step":
        words = (
            "99.9 % of weights within 2e-5, all and running statistics within 2e-4, after one step"
        )
        return Promise(words, lambda mark: mark.within >= 0.999 and _largest(mark) <= FLOAT32_ALL)
    words = (
        "at most 10 × the 1-ulp baseline's distance, maximum, median and running statistics, until "
        "both saturate"
    )
    return Promise(words, lambda mark: mark.saturated or mark.ratio <= RATIO)


def _largest(mark: Mark) -> float:
    """Return the larger distance of weights and statistics; NaN where there is one."""
    return float(np.max((mark.weights_max, mark.statistics_max)))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that a process kept, by name."""
    with np.load(path) as kept:
        return dict(kept)


def _flat(path: Path) -> np.ndarray:
    arrays = read_arrays(path)
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays)])
