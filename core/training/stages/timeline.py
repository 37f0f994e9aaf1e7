"""The place of each stage in a training: its steps, its epochs, and its fade-in.

All stages see one order of the images: each goes on where the one before has stopped, also with
another batch size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gandem.core.specs import Linear, Spec, Training, plan_spec, stage_specs
from gandem.core.training.feed.epochs import EpochSpan

FIXED_COST = 20_000_000
"""Multiply-adds of a pass that take as long as what a step costs whatever its size. Measured with
``progan`` on PyTorch and a CPU at 4 to 32 pixels: 8 ms, and 0.35 ns for each of one pass.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlace:
    """The place of a stage in a training.

    Attributes:
        span: its steps and epochs.
        seen: images of the first epoch of the span that lie before it.
        scale: pixels of the data along a pixel of the stage.
        fade: the fade-in weight; None if nothing fades in.
    """

    span: EpochSpan
    seen: int = 0
    scale: int = 1
    fade: Linear | None = None


WHOLE = StagePlace(span=EpochSpan(batches_per_epoch=1))
"""The place of a training without stages; its feed counts the epochs."""


def count_batches(training: Training, count: int) -> int:
    """Return the batches in a pass over ``count`` images."""
    size, full = training.batch_size, max(count // training.batch_size, 1)
    keeps = training.sampling == "shuffled" and training.partial_batch == "keep"
    return training.batches_per_epoch or (-(-count // size) if keeps else full)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The stages of a training, one after another; the last one has no end.

    Attributes:
        places: of the stages.
        costs: of a step of each stage, in multiply-adds of one pass through each network.
        end: steps of all stages.
    """

    places: tuple[StagePlace, ...]
    costs: tuple[int, ...]
    end: int

    def find_stage(self, step: int) -> int:
        """Return the index of the stage of a step, counted from 0."""
        return sum(place.span.first_step <= step for place in self.places) - 1

    def begins_stage(self, step: int) -> bool:
        """Return True if a step, counted from 0, is the first of a stage."""
        return any(place.span.first_step == step for place in self.places)

    def describe(self, step: int) -> dict[str, Any]:
        """Return the ``stage`` of a step, from 1, and its weight ``fade_in``, if layers fade in."""
        stage = self.find_stage(step)
        fade = self.places[stage].fade
        return {"stage": stage + 1} | ({} if fade is None else {"fade_in": fade.value(step, 0.0)})

    def scale_steps(self, step: int, total: int) -> float:
        """Return how many steps of the current stage cost as much as those that are left.

        Args:
            step: steps made.
            total: steps to make.
        """
        starts = [place.span.first_step for place in self.places]
        ends = [*starts[1:], max(total, self.end)]
        spans = zip(starts, ends, self.costs, strict=True)
        work = sum(max(min(end, total) - max(start, step), 0) * cost for start, end, cost in spans)
        return work / self.costs[self.find_stage(max(step - 1, 0))]


def list_sizes(spec: Spec) -> list[str]:
    """Return the size of the images in each stage, as in ``"14×14"``."""
    return ["×".join(map(str, stage.image.shape[:2])) for stage in stage_specs(spec)]


def format_stage(spec: Spec, facts: Mapping[str, Any]) -> str:
    """Return a stage in words: ``"stage 2 of 3, 14×14, fade-in 40 %"``.

    Args:
        facts: as :meth:`Timeline.describe` returns them, or a row of the log.
    """
    sizes = list_sizes(spec)
    text = f"stage {facts['stage']} of {len(sizes)}, {sizes[facts['stage'] - 1]}"
    weight = facts.get("fade_in", 1.0)
    return text if weight == 1.0 else f"{text}, fade-in {weight:.0%}"


def place_stages(spec: Spec, count: int) -> Timeline | None:
    """Return the stages of a training on ``count`` images; None if there are none."""
    if not spec.training.stages:
        return None
    places: list[StagePlace] = []
    step = epoch = seen = 0
    for stage, own in zip(spec.training.stages, stage_specs(spec), strict=True):
        training = own.training
        size, rounds = training.batch_size, training.discriminator_steps
        batches = count_batches(training, count)
        shuffled = training.sampling == "shuffled"
        left = max((count if shuffled else batches * size) - seen, 0)
        keeps = shuffled and training.partial_batch == "keep"
        rest = -(-left // size) if keeps else min(left // size, batches)
        if not rest:  # what is left does not fill a batch
            epoch, seen, rest = epoch + 1, 0, batches
        span = EpochSpan(
            first_step=step,
            first_epoch=epoch,
            first_batch=batches - rest,
            batches_per_epoch=batches,
            batches_per_step=rounds,
        )
        units = {"steps": (1, 1), "images": (1, size * rounds), "epochs": (batches, rounds)}
        steps, per = units[stage.unit]
        fade = None
        if stage.fade_in:
            end = step + stage.fade_in * steps / per
            fade = Linear(from_=0.0, to=1.0, start=step, end=end)
        scale = spec.image.shape[0] // own.image.shape[0]
        places.append(StagePlace(span=span, seen=seen, scale=scale, fade=fade))
        step += max(math.ceil(stage.length * steps / per), 1)
        done = span.batches(step)
        if done < batches:
            seen += (done - span.first_batch) * size
        else:
            epoch, seen = span.epochs_done(step), done % batches * size
    costs = (FIXED_COST + _count_multiply_adds(stage) for stage in stage_specs(spec))
    return Timeline(tuple(places), tuple(costs), step)


def _count_multiply_adds(spec: Spec) -> int:
    """Return the multiply-adds of one pass of a batch through each network."""
    nodes = (node for plan in plan_spec(spec).values() for node in plan.walk())
    return spec.training.batch_size * sum(node.multiply_adds for node in nodes)
