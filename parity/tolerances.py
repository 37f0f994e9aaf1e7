"""Differences of two trajectories after some steps, and the tolerance of each tier for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATIO = 10.0
"""The largest ratio of a difference to that of the 1-ulp baseline."""
FLOAT32_MOST, FLOAT32_ALL = 2e-5, 2e-4
"""Tolerances of one step in float32: of 99.9 % of the weights, and of all."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The differences of two trajectories after ``step`` steps.

    Attributes:
        weights_max, weights_median: absolute differences over all trained weights.
        loss_max: the largest difference of a loss up to this step.
        baseline_…: the differences of the first backend from its 1-ulp baseline.
        within: the share of weights that differ by at most 2e-5.
        floor: one unit in the last place of the largest weight.
        saturated: True if both median differences have reached a tenth of the median distance from
            the initial weights, where they stop growing.
        statistics_max: the largest difference of running statistics and averaged weights, relative
            to the largest number in their array if that is above 1.
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
        """The largest ratio of a difference to the baseline's, which is at least ``floor``."""
        ratios = (
            self.weights_max / max(self.baseline_max, self.floor),
            self.weights_median / max(self.baseline_median, self.floor),
            self.statistics_max / max(self.baseline_statistics_max, self.floor),
        )
        return float(np.max(ratios))  # NaN if one of them is


def list_marks(steps: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50, … up to ``steps``, and ``steps`` itself.

    >>> list_marks(12)
    (1, 2, 5, 10, 12)
    """
    marks = [digit * 10**power for power in range(12) for digit in (1, 2, 5)]
    return (*(mark for mark in marks if mark < steps), steps)


def compare_trajectories(
    step: int, trajectories: tuple[Path, Path], baselines: tuple[Path, Path], loss_max: float
) -> Mark:
    """Compare two trajectories after ``step`` steps, and one trajectory with its 1-ulp baseline.

    Args:
        trajectories: the folders of two processes.
        baselines: the folders of a trajectory and of its baseline.
        loss_max: the largest difference of a loss, which is copied to the mark.
    """
    name = f"mark-{step}.npz"
    differences = np.abs(_read_flat(trajectories[0] / name) - _read_flat(trajectories[1] / name))
    weights = _read_flat(baselines[0] / name)
    baseline = np.abs(weights - _read_flat(baselines[1] / name))
    distance = float(np.median(np.abs(weights - _read_flat(baselines[0] / "start.npz"))))
    median, baseline_median = float(np.median(differences)), float(np.median(baseline))
    return Mark(
        step=step,
        weights_max=float(differences.max()),
        weights_median=median,
        loss_max=loss_max,
        baseline_max=float(baseline.max()),
        baseline_median=baseline_median,
        within=float((differences <= FLOAT32_MOST).mean()),
        floor=float(np.finfo(weights.dtype).eps * np.abs(weights).max()),
        saturated=distance > 0 and min(median, baseline_median) >= 0.1 * distance,
        statistics_max=_compare_statistics(trajectories, f"statistics-{step}.npz"),
        baseline_statistics_max=_compare_statistics(baselines, f"statistics-{step}.npz"),
    )


def _compare_statistics(trajectories: tuple[Path, Path], name: str) -> float:
    """Return the largest difference of any array of two trajectories, relative to its scale."""
    first, second = (read_arrays(trajectory / name) for trajectory in trajectories)
    differences = [
        np.max(np.abs(first[key] - second[key]), initial=0.0)
        / max(1.0, np.max(np.abs(first[key]), initial=0.0))
        for key in first
    ]
    return float(np.max(differences, initial=0.0))


def read_losses(trajectory: Path) -> np.ndarray:
    """Return the losses of a trajectory (steps, 2): the discriminator's and the generator's."""
    losses: np.ndarray = np.load(trajectory / "losses.npy")[:, :2]
    return losses


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The bound that a tier sets for every mark: as text, and as a check of one mark."""

    text: str
    is_met: Callable[[Mark], bool]


def choose_tolerance(tier: str, precision: str, tolerance: float) -> Tolerance:
    """Return the tolerance of a tier.

    Args:
        tolerance: the model's own, for the largest difference of a trajectory in float64.
    """
    if tier == "trajectory" and precision == "float64":
        text = f"all weights and running statistics within {tolerance:g} at every mark"
        return Tolerance(text, lambda mark: _largest(mark) <= tolerance)
    if tier == "step" and precision == "float64":
        text = "all weights and running statistics within 1e-12 after one step"
        return Tolerance(text, lambda mark: _largest(mark) <= 1e-12)
    if tier == "step":
        text = (
            "99.9 % of weights within 2e-5, all and running statistics within 2e-4, after one step"
        )
        return Tolerance(text, lambda mark: mark.within >= 0.999 and _largest(mark) <= FLOAT32_ALL)
    text = (
        "at most 10 × the 1-ulp baseline's distance, maximum, median and running statistics, until "
        "both saturate"
    )
    return Tolerance(text, lambda mark: mark.saturated or mark.ratio <= RATIO)


def _largest(mark: Mark) -> float:
    """Return the larger difference of weights and statistics; NaN if one of them is."""
    return float(np.max((mark.weights_max, mark.statistics_max)))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file by name."""
    with np.load(path) as file:
        return dict(file)


def _read_flat(path: Path) -> np.ndarray:
    arrays = read_arrays(path)
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays)])
