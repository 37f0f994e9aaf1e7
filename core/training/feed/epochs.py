"""Counting epochs, also in a run that was resumed with another number of batches per epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from gandem.core.fields import Checked, Range

Number = Annotated[int, Range(0, 2**63 - 1)]
Positive = Annotated[int, Range(1, 2**63 - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochSpan(Checked):
    """Steps with the same number of batches per epoch.

    Attributes:
        first_step: steps made before it.
        first_epoch: complete epochs before it.
        first_batch: batches of its first epoch that lie before it.
        batches_per_step: of real images; a step reads one for each update of the discriminator.
    """

    first_step: Number = 0
    first_epoch: Number = 0
    first_batch: Number = 0
    batches_per_epoch: Positive
    batches_per_step: Positive = 1

    def batches(self, step: int) -> int:
        """Return the batches from the beginning of the span's first epoch to a step."""
        return self.first_batch + (step - self.first_step) * self.batches_per_step

    def epochs_done(self, step: int) -> int:
        """Return the number of complete epochs after a step of the span."""
        return self.first_epoch + self.batches(step) // self.batches_per_epoch

    def passes(self, step: int) -> float:
        """Return the passes over the data made in ``step`` steps, the last one in part."""
        return self.first_epoch + self.batches(step) / self.batches_per_epoch

    def step_of(self, epochs: int) -> int:
        """Return the step after which so many epochs are complete."""
        batches = (epochs - self.first_epoch) * self.batches_per_epoch - self.first_batch
        return self.first_step + -(-batches // self.batches_per_step)


class EpochCounter:
    """The epochs of a run, as a function of the step.

    A run that is resumed with more data, or another batch size, begins a new pass over the data
    there; an incomplete pass does not count.

    Args:
        batches_per_epoch, batches_per_step: from now on.
        before: the spans of the training before a resume.
        step: where the training is resumed.

    >>> counter = EpochCounter(8, 1, [EpochSpan(batches_per_epoch=2)], step=12)
    >>> counter.epochs_done(12), counter.epochs_done(20), counter.step_of(7), counter.step_of(4)
    (6, 7, 20, 8)
    """

    def __init__(
        self,
        batches_per_epoch: int,
        batches_per_step: int,
        before: Iterable[EpochSpan] = (),
        step: int = 0,
    ) -> None:
        kept = [span for span in before if span.first_step < step]
        epochs = kept[-1].epochs_done(step) if kept else 0
        span = EpochSpan(
            first_step=step if kept else 0,
            first_epoch=epochs,
            batches_per_epoch=batches_per_epoch,
            batches_per_step=batches_per_step,
        )
        sizes = (span.batches_per_epoch, span.batches_per_step)
        if not kept or sizes != (kept[-1].batches_per_epoch, kept[-1].batches_per_step):
            kept.append(span)
        self.spans = tuple(kept)

    @classmethod
    def of_spans(cls, spans: Iterable[EpochSpan]) -> EpochCounter:
        """Return the counter of spans that are known beforehand, such as stages."""
        counter = cls(1, 1)
        counter.spans = tuple(spans)
        return counter

    def epochs_done(self, step: int) -> int:
        """Return the number of complete epochs after ``step`` steps."""
        return self.span_of(step).epochs_done(step)

    def passes(self, step: int) -> float:
        """Return the passes over the data made in ``step`` steps, the last one in part."""
        return self.span_of(step).passes(step)

    def span_of(self, step: int) -> EpochSpan:
        """Return the span that the step before ``step`` belongs to."""
        spans = (span for span in reversed(self.spans) if span.first_step < step)
        return next(spans, self.spans[0])

    def step_of(self, epochs: int) -> int:
        """Return the step after which so many epochs are complete."""
        spans = (span for span in reversed(self.spans) if span.first_epoch < epochs)
        return next(spans, self.spans[0]).step_of(epochs)
