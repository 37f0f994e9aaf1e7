"""Which group of runs is best in a measure; a group is a model, a setting and a backend.

Every group is compared with the best by Welch's interval. Any group could have turned out best, so
the intervals are corrected for all pairs of groups (Bonferroni), not only for those with the best.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gandem.compare.analysis.outcome import key_protocol
from gandem.compare.analysis.parity_verdicts import listed, plural
from gandem.compare.analysis.statistics import LEVEL, short, welch_intervals
from gandem.metrics.evaluation import MEASURES

__all__ = ["Place", "Ranking", "group_cells", "rank_groups"]

Row = Mapping[str, Any]
KEY = ("model", "setting", "backend")
BEST, EQUAL, WORSE = "best", "not distinguishable", "worse"
UNTESTED, OTHER_PROTOCOL, NO_SCORE = "not tested", "other protocol", "not scored"
SENTENCES = {
    WORSE: "Worse",
    EQUAL: "Not distinguishable from it",
    UNTESTED: "Not tested, which needs two seeds of each and SciPy",
    OTHER_PROTOCOL: "Not comparable, since they were scored with another protocol",
}
"""The starts of the sentences that name the groups of each verdict."""
MAX_NAMES = 3
"""Groups that a sentence names; of more it gives the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A group in a ranking.

    Attributes:
        scores: by seed, of the runs that were scored.
        deviation: over seeds, of a sample; None with one seed.
        difference: of the mean from the best mean, and its corrected interval ``low`` to ``high``.
    """

    group: Row
    scores: Mapping[int, float]
    mean: float | None = None
    deviation: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = NO_SCORE


@dataclass(frozen=True, slots=True)
class Ranking:
    """All groups by one measure, the best first."""

    measure: str
    places: tuple[Place, ...]
    pairs: int
    real: float | None

    def sentence(self, join: Callable[[Row], str]) -> str:
        """Return which group is best, and how the others compare with it.

        Args:
            join: returns the label of a group.
        """
        best, measure = self.places[0], MEASURES[self.measure]
        extreme = "Lowest" if measure.better == "less" else "Highest"
        score = short(best.mean or 0.0, 3)
        score += f" ± {short(best.deviation, 2)}" if best.deviation is not None else ""
        seeds = plural(len(best.scores), "seed")
        parts = [f"{extreme} {measure.title}: {join(best.group)}, {score} over {seeds}."]
        for verdict, text in SENTENCES.items():
            others = [join(p.group) for p in self.places[1:] if p.verdict == verdict]
            if others:
                names = listed(others) if len(others) <= MAX_NAMES else f"{len(others)} others"
                parts.append(f"{text}: {names}.")
        return " ".join(parts)


def group_cells(cells: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the groups, each with its cells."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        key = tuple(cell[name] for name in KEY)
        group = groups.setdefault(key, {**dict(zip(KEY, key, strict=True)), "cells": []})
        group["cells"].append(cell)
    return list(groups.values())


def rank_groups(groups: Sequence[Row], measure: str) -> Ranking | None:
    """Return the ranking of groups by a measure; None if it has no direction or no values.

    Only runs that were scored with the most common protocol are compared.
    """
    sign = {"less": 1, "more": -1}.get(MEASURES[measure].better)
    cells = [cell for group in groups for cell in group["cells"]]
    protocols = Counter(filter(None, map(key_protocol, cells)))
    if sign is None or not protocols:
        return None
    ((protocol, _),) = protocols.most_common(1)
    places = [_place(group, measure, protocol) for group in groups]
    scored = sorted((p for p in places if p.mean is not None), key=lambda p: sign * (p.mean or 0.0))
    if not scored:
        return None
    best, *others = scored
    pairs = math.comb(len(scored), 2)
    compared = _compare(best, others, sign, pairs)
    real = next((v for cell in cells if (v := cell["floor"].get(measure)) is not None), None)
    rest = (place for place in places if place.mean is None)
    return Ranking(measure, (replace(best, verdict=BEST), *compared, *rest), pairs, real)


def _place(group: Row, measure: str, protocol: str) -> Place:
    scored = [cell for cell in group["cells"] if key_protocol(cell) == protocol]
    scores = {c["seed"]: v for c in scored if (v := c["values"].get(measure)) is not None}
    if not scores:
        other = any(key_protocol(cell) not in ("", protocol) for cell in group["cells"])
        return Place(group=group, scores={}, verdict=OTHER_PROTOCOL if other else NO_SCORE)
    return Place(
        group=group,
        scores=scores,
        mean=statistics.fmean(scores.values()),
        deviation=statistics.stdev(scores.values()) if len(scores) > 1 else None,
    )


def _compare(best: Place, others: Sequence[Place], sign: int, pairs: int) -> list[Place]:
    """Return places with their differences from the best."""
    level = 1 - (1 - LEVEL) / max(1, pairs)
    values = [([*best.scores.values()], [*place.scores.values()]) for place in others]
    compared = []
    for place, interval in zip(others, welch_intervals(values, level), strict=True):
        difference = (place.mean or 0.0) - (best.mean or 0.0)
        if interval is None:
            compared.append(replace(place, difference=difference, verdict=UNTESTED))
            continue
        low, high = interval.low, interval.high
        verdict = WORSE if min(sign * low, sign * high) > 0 else EQUAL
        place = replace(place, difference=difference, low=low, high=high, verdict=verdict)
        compared.append(place)
    return compared
