"""What the curves of a run show: its series, the spans of its warnings, and its samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Span:
    """Steps during which a warning was active."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Samples (H, W, 3), the step after which they were made, and a title."""

    step: int
    title: str
    picture: np.ndarray


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of a run.

    Attributes:
        series: steps and values of each quantity.
        losses: names of the quantities that are losses.
        schedules: names of the quantities that are values of schedules.
        spans: when warnings were active.
        last: the last step.
        stages: the first step of each stage of the training, and its resolution.
    """

    name: str
    color: str
    series: dict[str, tuple[np.ndarray, np.ndarray]]
    losses: tuple[str, ...]
    schedules: tuple[str, ...]
    spans: list[Span]
    pictures: list[Thumbnail]
    last: float
    stages: tuple[tuple[int, str], ...] = ()
