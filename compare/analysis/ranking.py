"""Which group of runs is best in a measure; a group is a model, a setting and a backend.

Every group is compared with the best by Welch's interval. Any group could have turned out best, so
the intervals are corrected for all pairs of groups (Bonferroni), not only for those with the best.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gandem.compare.analysis.parity_verdicts import join_with_and
from gandem.compare.analysis.statistics import LEVEL, format_digits, welch_intervals
from gandem.core.errors import format_count
from gandem.metrics.evaluation import MEASURES

Row = Mapping[str, Any]
Groups = Mapping[tuple[str, str, str], Sequence[Row]]
"""The cells of each model, setting and backend, one for each seed."""
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


def key_protocol(cell: Row) -> str:
    """Return a key of the protocol, empty if the cell is not scored; digests replace names."""
    protocol = {k: v for k, v in cell["protocol"].items() if k not in ("data", "extractor")}
    return json.dumps(protocol, sort_keys=True) if protocol else ""


def rank_groups(groups: Groups, measure: str, join: Callable[[Row], str]) -> dict[str, Any] | None:
    """Return the groups by a measure, the best first; None if it has no direction or no values.

    Only runs that were scored with the most common protocol are compared.

    Args:
        join: returns the label of a group.

    Returns:
        ``places``, each with the ``scores`` by seed, their mean and deviation, the difference of
        the mean from the best and its corrected interval ``low`` to ``high``, and the verdict; the
        number of ``pairs``; the score of ``real`` images; and a ``text``.
    """
    sign = {"less": 1, "more": -1}.get(MEASURES[measure].better)
    cells = [cell for group in groups.values() for cell in group]
    protocols = Counter(filter(None, map(key_protocol, cells)))
    if sign is None or not protocols:
        return None
    ((protocol, _),) = protocols.most_common(1)
    places = [_place(key, group, measure, protocol) for key, group in groups.items()]
    scored = sorted((place for place in places if place["scores"]), key=lambda p: sign * p["mean"])
    if not scored:
        return None
    pairs = math.comb(len(scored), 2)
    _compare(scored, sign, 1 - (1 - LEVEL) / max(1, pairs))
    places = [*scored, *(place for place in places if not place["scores"])]
    real = next(
        (v for cell in cells if (v := cell["real_baseline"].get(measure)) is not None), None
    )
    text = _summarize(measure, places, join)
    return {"measure": measure, "pairs": pairs, "real": real, "text": text, "places": places}


def _place(
    key: tuple[str, str, str], cells: Sequence[Row], measure: str, protocol: str
) -> dict[str, Any]:
    scored = [cell for cell in cells if key_protocol(cell) == protocol]
    scores = {c["seed"]: v for c in scored if (v := c["values"].get(measure)) is not None}
    is_other = not scored and any(map(key_protocol, cells))
    return {
        **dict(zip(("model", "setting", "backend"), key, strict=True)),
        "scores": scores,
        "mean": statistics.fmean(scores.values()) if scores else None,
        "deviation": statistics.stdev(scores.values()) if len(scores) > 1 else None,
        **dict.fromkeys(("difference", "low", "high")),
        "verdict": OTHER_PROTOCOL if is_other else NO_SCORE,
    }


def _compare(places: Sequence[dict[str, Any]], sign: int, level: float) -> None:
    """Set the verdicts of places, and their differences from the first."""
    best, *others = places
    values = [([*best["scores"].values()], [*place["scores"].values()]) for place in others]
    for place, interval in zip(others, welch_intervals(values, level), strict=True):
        place |= {"difference": place["mean"] - best["mean"], "verdict": UNTESTED}
        if interval is not None:
            low, high = interval.low, interval.high
            is_worse = min(sign * low, sign * high) > 0
            place |= {"low": low, "high": high, "verdict": WORSE if is_worse else EQUAL}
    is_tested = not others or any(place["verdict"] != UNTESTED for place in others)
    best["verdict"] = BEST if is_tested else UNTESTED  # the order of single seeds is chance


def _summarize(measure: str, places: Sequence[Row], join: Callable[[Row], str]) -> str:
    """Return which group is best, and how the others compare with it."""
    best = places[0]
    extreme = "Lowest" if MEASURES[measure].better == "less" else "Highest"
    score = format_digits(best["mean"], 3)
    score += f" ± {format_digits(best['deviation'], 2)}" if best["deviation"] is not None else ""
    seeds = format_count(len(best["scores"]), "seed")
    parts = [f"{extreme} {MEASURES[measure].title}: {join(best)}, {score} over {seeds}."]
    for verdict, text in SENTENCES.items():
        others = [join(place) for place in places[1:] if place["verdict"] == verdict]
        if others:
            names = join_with_and(others) if len(others) <= MAX_NAMES else f"{len(others)} others"
            parts.append(f"{text}: {names}.")
    return " ".join(parts)
