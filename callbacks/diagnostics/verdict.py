"""The verdict on a training, from all measurements: warnings, accuracy, variety and scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gandem.core.documents import is_number
from gandem.core.errors import format_count

MIN_STEPS = 200
"""Steps below which nothing is known; in the first 200 the discriminator nearly always wins."""
ALL, NONE = 0.99, 0.01
"""Accuracies from and up to which a discriminator classifies all images correctly, or none."""
MEASUREMENTS = 3
"""Measurements of the accuracy after which 0 is a reason to doubt."""
FEW = 0.1
"""Precision, recall or coverage below which most images are not like real ones."""
LITTLE = 0.1
"""Variety, relative to real images, below which images are much alike."""
ALIKE = 2.0
"""Variety and nearest distance differ from those of real images by less than this factor if the
images vary as real ones do.
"""
RISE = 1.5
"""If the Fréchet distance is larger than the lowest by this factor, images have become worse."""


def describe_doubts(
    accuracies: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Any]],
    variety: float,
    *,
    is_critic: bool,
) -> list[str]:
    """Return the measurements against a training without active warnings, one clause each.

    Args:
        accuracies: the last measurements of the discriminator's accuracy, or fewer.
        scores: all rows of the log with scores.
        variety: the last one measured, NaN if none was.
        is_critic: the discriminator may win without harm.
    """
    doubts = [] if is_critic else [*_doubt_accuracy(accuracies)]
    if variety < LITTLE:
        doubts.append(f"the images vary only {variety:.2f} times as much as real ones")
    return [*doubts, *_doubt_scores(scores)]


def _doubt_accuracy(accuracies: Sequence[Mapping[str, Any]]) -> list[str]:
    pairs = [(_number(row.get("real")), _number(row.get("fake"))) for row in accuracies]
    if pairs and all(min(pair) >= ALL for pair in pairs[-2:]):
        return ["the discriminator classifies all images correctly"]
    for index, kind in enumerate(("real", "fake")):
        if len(pairs) == MEASUREMENTS and all(pair[index] <= NONE for pair in pairs):
            return [f"the discriminator classifies no {kind} image correctly"]
    return []


def describe_last_accuracy(accuracies: Sequence[Mapping[str, Any]], *, is_critic: bool) -> str:
    """Return a remark on a discriminator that classified all images correctly just once, or none.

    A single measurement is no reason to doubt: healthy trainings have some like that.
    """
    last = accuracies[-1] if accuracies and not is_critic else {}
    if min(_number(last.get("real")), _number(last.get("fake"))) >= ALL:
        return "the discriminator classified all images correctly at the last measurement"
    return ""


def _doubt_scores(scores: Sequence[Mapping[str, Any]]) -> list[str]:
    doubts = []
    last = scores[-1] if scores else {}
    values = last.get("scores", {})
    for name in ("precision", "recall", "coverage"):
        if (value := _number(values.get(name))) < FEW:
            doubts.append(f"{name} is {value:.2g}")
    steps = [(_number(row["scores"].get("frechet")), row["step"]) for row in scores]
    steps = [pair for pair in steps if not math.isnan(pair[0])]
    if not steps:
        return doubts
    (lowest, at), (now, _) = min(steps), steps[-1]
    average = _number(last.get("frechet_of_average"))
    if now >= average:
        doubts.append(
            f"a Fréchet distance of {now:.3g} is no better than that of one average image "
            f"({average:.3g})"
        )
    elif now > RISE * lowest:
        doubts.append(f"the Fréchet distance rose from {lowest:.3g} at step {at} to {now:.3g}")
    return doubts


def shows_progress(scores: Sequence[Mapping[str, Any]], variety: float, nearest: float) -> bool:
    """Return True if what was measured of the images shows that the generator has learned.

    Scores decide if there are any: they have improved, or no measurement is against them. Otherwise
    the images vary as real ones do.

    >>> shows_progress([], 1.01, 0.8), shows_progress([], 0.1, 0.8)
    (True, False)
    """
    if scores:
        distances = [_number(row["scores"].get("frechet")) for row in scores]
        return distances[-1] < distances[0] or not _doubt_scores(scores)
    return all(1 / ALIKE < value < ALIKE for value in (variety, nearest))


def describe_verdict(
    step: int,
    episodes: Sequence[Mapping[str, Any]],
    variety: float,
    doubts: Sequence[str],
    remark: str = "",
) -> str:
    """Return a summary of a training in a sentence.

    >>> describe_verdict(500, [], 0.7, [])
    'no sign of trouble in 500 steps; the images vary 0.70 times as much as real ones'
    >>> describe_verdict(500, [], 0.7, ["coverage is 0.02"])
    'no warning in 500 steps, but coverage is 0.02'
    """
    current = [e for e in episodes if "until_step" not in e]
    ended = [e for e in episodes if "until_step" in e]
    summary = "; ".join(doubts)
    if current:
        names = [f"{e['health']} since step {e['since_step']}" for e in current]
        return "; ".join([*names, *doubts])
    if ended:
        past = ", ".join(
            f"{e['health']} from step {e['since_step']} to {e['until_step']}" for e in ended
        )
        return f"{summary or 'well in the end'}; there was {past}"
    if step < MIN_STEPS:
        return f"{summary or 'no sign of trouble'}, but too few steps to tell ({step})"
    if doubts:
        return f"no warning in {format_count(step, 'step')}, but {summary}"
    text = f"no sign of trouble in {format_count(step, 'step')}"
    if remark:
        return f"{text}; {remark}"
    if not math.isnan(variety):
        text += f"; the images vary {variety:.2f} times as much as real ones"
    return text


def _number(value: Any) -> float:
    return float(value) if is_number(value) else math.nan
