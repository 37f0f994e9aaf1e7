"""Which group of runs is best in a measure: one row per model, setting and backend.

Every group is compared with the best by Welch's *t* interval (Welch 1947). Any group could have
turned out best, so the level is that of all pairs of groups together (Bonferroni): with m pairs,
each interval has the level 1 − 0.05 / m.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gandem.compare.paths import listed, plural
from gandem.compare.report.charts import Axis, dot_axis
from gandem.compare.verdict import LEVEL, short
from gandem.metrics.evaluation import MEASURES

__all__ = ["Place", "Ranking", "group_cells", "rank_groups", "welch_interval"]

Row = Mapping[str, Any]
KEY = ("model", "setting", "backend")
BEST, EQUAL, WORSE = "best", "not distinguishable", "worse"
ONE_SEED, OTHER_PROTOCOL, NO_SCORE = "not tested: one seed", "other protocol", "not scored"
SENTENCES = {
    WORSE: "Worse",
    EQUAL: "Not distinguishable from it",
    ONE_SEED: "Not tested, since one seed tells nothing of the spread between seeds",
    OTHER_PROTOCOL: "Not comparable, since they were scored with another protocol",
}
"""How the sentence starts that names the groups of a verdict."""
MAX_NAMES = 3
"""Groups that a sentence names; of more it tells the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A group in a ranking.

    Attributes:
        scores: of each run that was scored: its seed, the place of the seed in the grid, the value.
        deviation: over seeds, of a sample; None with one seed.
        interval: of the difference from the best mean, corrected; of None if it is not tested.
    """

    group: Row
    scores: tuple[tuple[int, int, float], ...]
    mean: float | None = None
    deviation: float | None = None
    interval: tuple[float, float] | tuple[None, None] = (None, None)
    difference: float | None = None
    verdict: str = NO_SCORE


@dataclass(frozen=True, slots=True)
class Ranking:
    """All groups by one measure, the best first."""

    name: str
    places: tuple[Place, ...]
    pairs: int
    axis: Axis
    real: float | None

    @property
    def title(self) -> str:
        """The measure's title."""
        return MEASURES[self.name].title

    def sentence(self, join: Callable[[Row], str]) -> str:
        """Return which group is best, and how the others compare with it.

        Args:
            join: returns the label of a group.
        """
        best = self.places[0]
        extreme = "Lowest" if MEASURES[self.name].better == "less" else "Highest"
        score = short(best.mean or 0.0, 3)
        score += f" ± {short(best.deviation, 2)}" if best.deviation is not None else ""
        seeds = plural(len(best.scores), "seed")
        parts = [f"{extreme} {self.title}: {join(best.group)}, {score} over {seeds}."]
        for verdict, text in SENTENCES.items():
            others = [join(p.group) for p in self.places[1:] if p.verdict == verdict]
            if others:
                names = listed(others) if len(others) <= MAX_NAMES else f"{len(others)} others"
                parts.append(f"{text}: {names}.")
        return " ".join(parts)


def group_cells(cells: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the groups of runs that differ in their seeds only, with their cells."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        key = tuple(cell[name] for name in KEY)
        group = groups.setdefault(key, {**dict(zip(KEY, key, strict=True)), "cells": []})
        group["cells"].append(cell)
    return list(groups.values())


def rank_groups(groups: Sequence[Row], name: str) -> Ranking | None:
    """Return the ranking of groups by a measure; None if it has no direction or no values.

    Only runs that were scored with the most common protocol are compared.
    """
    sign = {"less": 1, "more": -1}.get(MEASURES[name].better)
    protocols = Counter(_protocol(cell) for group in groups for cell in group["cells"])
    del protocols[""]
    if sign is None or not protocols:
        return None
    usual = protocols.most_common(1)[0][0]
    places = [_place(group, name, usual) for group in groups]
    ranked = sorted(
        (place for place in places if place.mean is not None),
        key=lambda place: sign * (place.mean or 0.0),
    )
    if not ranked:
        return None
    pairs = math.comb(len(ranked), 2)
    ranked = [_compare(place, ranked[0], sign, pairs) for place in ranked]
    values = [value for place in ranked for _, _, value in place.scores]
    floors = [cell["floor"].get(name) for group in groups for cell in group["cells"]]
    real = next((floor for floor in floors if floor is not None), None)
    rest = (place for place in places if place.mean is None)
    return Ranking(name, (*ranked, *rest), pairs, dot_axis(values), real)


def _place(group: Row, name: str, protocol: str) -> Place:
    cells = group["cells"]
    scored = [
        (cell["seed"], cell["marks"]["s"], cell["values"][name])
        for cell in cells
        if _protocol(cell) == protocol and cell["values"].get(name) is not None
    ]
    if not scored:
        other = any(_protocol(cell) not in ("", protocol) for cell in cells)
        return Place(group=group, scores=(), verdict=OTHER_PROTOCOL if other else NO_SCORE)
    values = [value for _, _, value in scored]
    return Place(
        group=group,
        scores=tuple(scored),
        mean=statistics.fmean(values),
        deviation=statistics.stdev(values) if len(values) > 1 else None,
    )


def _compare(place: Place, best: Place, sign: int, pairs: int) -> Place:
    """Return a place with its difference from the best."""
    if place is best:
        return replace(place, verdict=BEST)
    first, second = ([value for _, _, value in p.scores] for p in (best, place))
    difference = statistics.fmean(second) - statistics.fmean(first)
    if min(len(first), len(second)) < 2:
        return replace(place, difference=difference, verdict=ONE_SEED)
    interval = welch_interval(first, second, 1 - (1 - LEVEL) / pairs)
    is_worse = min(sign * bound for bound in interval) > 0
    verdict = WORSE if is_worse else EQUAL
    return replace(place, difference=difference, interval=interval, verdict=verdict)


def welch_interval(
    first: Sequence[float], second: Sequence[float], level: float
) -> tuple[float, float]:
    """Return the interval of the difference of two means, the second less the first.

    >>> [round(bound, 2) for bound in welch_interval([10, 11, 12], [30, 31, 32], 0.95)]
    [17.73, 22.27]
    """
    from scipy.stats import t

    difference = statistics.fmean(second) - statistics.fmean(first)
    a, b = (statistics.variance(values) / len(values) for values in (first, second))
    if a + b == 0:
        return difference, difference
    share = a / (a + b)
    freedom = 1 / (share**2 / (len(first) - 1) + (1 - share) ** 2 / (len(second) - 1))
    reach = float(t.ppf((1 + level) / 2, freedom)) * math.sqrt(a + b)
    return difference - reach, difference + reach


def _protocol(cell: Row) -> str:
    """Return what distinguishes a cell's protocol; digests stand for the names of their files."""
    protocol = {k: v for k, v in cell["protocol"].items() if k not in ("data", "extractor")}
    return json.dumps(protocol, sort_keys=True) if protocol else ""
