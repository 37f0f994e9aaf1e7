"""The inputs of a training in stages: those of a feed for each stage."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.specs import Spec, stage_specs
from gandem.core.training.feed.epochs import EpochCounter, EpochSpan
from gandem.core.training.feed.inputs import Feed
from gandem.core.training.losses import AdversarialLoss
from gandem.core.training.stages.timeline import Timeline, place_stages
from gandem.core.training.state import stored

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
    kind = StagedFeed if spec.training.stages else Feed
    return kind(spec, loss, dataset, seed, precision, randomness=randomness)


class StagedFeed(Feed):
    """The inputs of a training in stages, as a function of the step alone."""

    timeline: Timeline

    def __init__(
        self,
        spec: Spec,
        loss: AdversarialLoss,
        dataset: Dataset,
        seed: int,
        precision: str,
        *,
        randomness: str = "portable",
    ) -> None:
        """Prepare the feed of each stage; see :class:`Feed`."""
        timeline = place_stages(spec, len(dataset.images))
        assert timeline is not None
        self.timeline = timeline
        self._feeds = [
            Feed(stage, loss, dataset, seed, precision, randomness=randomness, place=place)
            for stage, place in zip(stage_specs(spec), timeline.places, strict=True)
        ]
        self.spec, self.loss, self.dataset, self.seed = spec, loss, dataset, seed
        self.plans, self.precision = self._feeds[-1].plans, stored(precision)
        self.resident = False
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
