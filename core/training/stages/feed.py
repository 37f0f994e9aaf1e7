"""The inputs of a training in stages: those of a feed for each stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.specs import Spec, stage_specs
from gandem.core.training.feed.epochs import EpochCounter, EpochSpan
from gandem.core.training.feed.inputs import Feed
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.stages.timeline import WHOLE, StagePlace, Timeline, place_stages

__all__ = ["STAGE_INPUT", "StagedFeed", "make_feed"]

STAGE_INPUT = "stage"
"""The index of the stage, among the inputs of a step."""


def make_feed(
    spec: Spec,
    loss: AdversarialLoss,
    dataset: Dataset,
    seed: int,
    precision: str,
    *,
    randomness: str = "portable",
) -> Feed:
    """Return the feed of a training; see :class:`Feed`."""

    def build(spec: Spec, place: StagePlace = WHOLE) -> Feed:
        return Feed(spec, loss, dataset, seed, precision, randomness=randomness, place=place)

    timeline = place_stages(spec, len(dataset.images))
    if timeline is None:
        return build(spec)
    return StagedFeed(spec, timeline, list(map(build, stage_specs(spec), timeline.places)))


class StagedFeed(Feed):
    """The inputs of a training in stages, as a function of the step alone."""

    timeline: Timeline

    def __init__(self, spec: Spec, timeline: Timeline, feeds: Sequence[Feed]) -> None:
        """Combine the feeds of the stages; of their networks the ``plans`` are those of the last.

        Args:
            feeds: of each stage, at its place in the timeline.
        """
        self.spec, self.timeline, self._feeds, last = spec, timeline, feeds, feeds[-1]
        self.loss, self.dataset, self.seed = last.loss, last.dataset, last.seed
        self.plans, self.precision, self.resident = last.plans, last.precision, False
        self.epochs = EpochCounter.of_spans(place.span for place in timeline.places)

    def continue_epochs(self, before: Iterable[EpochSpan], step: int) -> None:
        """Do nothing: the stages and their epochs follow from the spec and the data."""

    def count_steps(self, epochs: int | None = None) -> int:
        """Return the steps of all stages, or of so many epochs."""
        return self.timeline.end if epochs is None else self.epochs.step_of(epochs)

    def scheduled(self, step: int) -> dict[str, np.ndarray]:
        """Return the values of the schedules of the stage."""
        return self._feeds[self.timeline.find_stage(step)].scheduled(step)

    def bytes_and_values(self) -> None:
        """Return None: each stage reads the images at another resolution."""

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Return the inputs of one step, with the index of the stage."""
        stage = self.timeline.find_stage(step)
        return self._feeds[stage](step) | {STAGE_INPUT: np.array(stage)}
