"""Differences between groups of runs: confidence intervals over seeds.

A difference is Welch's t test of two means (Welch 1947, doi:10.1093/biomet/34.1-2.28). Where a
group of pairs is compared, the interval of each is widened so that all of them hold together with
95 % confidence (Bonferroni).
"""

from __future__ import annotations

import itertools
import math
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from gandem.metrics.evaluation import MEASURES

LEVEL = 0.95
"""Confidence that the intervals of all compared pairs hold."""
POWER = 0.8
"""Probability of seeing the smallest detectable difference."""
MAX_REACH = 3.6
"""Half width of a 95 % interval, in standard deviations between seeds, up to which "no difference
seen" is a finding: three seeds in each group have 2.3 to 3.51, depending on their variances, and
two have 4.3 or more.
"""

MAX_GROUPS = 60
"""Groups that are all compared with one another."""

Groups = Mapping[str, Sequence[float]]
"""The values of a measure, one per seed, by the name of the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference of two groups of runs in one measure.

    Attributes:
        first, second: names of the groups.
        means, deviations: of each over its seeds; sample standard deviations.
        mean: the second mean minus the first.
        low, high: the confidence interval of ``mean``; None with a single seed or without SciPy.
        pairs: number of pairs that the interval is corrected for.
        between_seeds: the standard deviation between seeds, pooled over both groups.
        detectable: the smallest difference that would have been seen with a probability of 0.8.
        verdict: ``"different"``, ``"no difference seen"``, or ``"undecided"``.
    """

    measure: str
    first: str
    second: str
    means: tuple[float, float]
    deviations: tuple[float | None, float | None]
    seeds: tuple[int, int]
    mean: float
    low: float | None
    high: float | None
    pairs: int
    between_seeds: float | None
    detectable: float | None
    verdict: str

    def to_data(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


def compare_groups(measure: str, groups: Groups) -> list[Difference]:
    """Return the difference of each pair of groups.

    With the pooled standard deviation s between seeds, a pair is *different* if its corrected
    interval does not contain 0. If its 95 % interval contains 0 and reaches at most ``MAX_REACH`` ·
    s to either side, *no difference* is *seen*. Otherwise it is *undecided*.

    Of more than ``MAX_GROUPS`` groups, each is compared with the best only, with the correction for
    all pairs.
    """
    count = math.comb(len(groups), 2)
    pairs: Iterable[tuple[str, str]] = itertools.combinations(groups, 2)
    if len(groups) > MAX_GROUPS:
        pick = max if MEASURES[measure].better == "more" else min
        best = pick(groups, key=lambda name: statistics.fmean(groups[name]))
        pairs = ((best, name) for name in groups if name != best)
    pairs = list(pairs)
    level = 1 - (1 - LEVEL) / max(count, 1)
    intervals = welch_intervals([(groups[a], groups[b]) for a, b in pairs], level)
    differences = []
    for (first, second), interval in zip(pairs, intervals, strict=True):
        a, b = groups[first], groups[second]
        means = (statistics.fmean(a), statistics.fmean(b))
        pooled, verdict = None, "undecided"
        if len(a) > 1 and len(b) > 1:
            squares = [(len(v) - 1) * statistics.variance(v) for v in (a, b)]
            pooled = math.sqrt(sum(squares) / (len(a) + len(b) - 2))
        if interval is not None and pooled is not None:
            if interval.low > 0 or interval.high < 0:
                verdict = "different"
            elif abs(means[1] - means[0]) <= interval.reach <= MAX_REACH * pooled:
                verdict = "no difference seen"
        differences.append(
            Difference(
                measure=measure,
                first=first,
                second=second,
                means=means,
                deviations=(_deviation(a), _deviation(b)),
                seeds=(len(a), len(b)),
                mean=means[1] - means[0],
                low=interval.low if interval else None,
                high=interval.high if interval else None,
                pairs=count,
                between_seeds=pooled,
                detectable=interval.detectable if interval else None,
                verdict=verdict,
            )
        )
    return differences


class Interval(NamedTuple):
    """An interval of a difference.

    Attributes:
        reach: half width at a level of 95 %.
        detectable: the smallest difference that would have been seen with a probability of 0.8.
    """

    low: float
    high: float
    reach: float
    detectable: float


def welch_intervals(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], level: float
) -> list[Interval | None]:
    """Return the interval of the difference of the means of each pair, the second minus the first.

    None for a group with one value, and without SciPy.
    """
    try:
        from scipy import stats
    except ImportError:
        return [None] * len(pairs)
    intervals: list[Interval | None] = [None] * len(pairs)
    sizes: dict[tuple[int, int], list[int]] = {}
    for index, (a, b) in enumerate(pairs):
        if len({*a}) == len({*b}) == 1 < min(len(a), len(b)):  # no variance: no t test
            intervals[index] = Interval(b[0] - a[0], b[0] - a[0], 0.0, 0.0)
        elif len(a) > 1 and len(b) > 1:
            sizes.setdefault((len(a), len(b)), []).append(index)
    for indexes in sizes.values():  # one call for many pairs, each of which takes a millisecond
        first, second = (np.array([pairs[index][side] for index in indexes]) for side in (0, 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # nearly equal values
            test = stats.ttest_ind(second, first, axis=1, equal_var=False)
            low, high = test.confidence_interval(level)
            ends = test.confidence_interval(LEVEL)
        factor = 1 + stats.t.ppf(POWER, test.df) / stats.t.ppf(0.5 + level / 2, test.df)
        columns = (low, high, (ends[1] - ends[0]) / 2, (high - low) / 2 * factor)
        for index, row in zip(indexes, np.stack(columns, axis=1).tolist(), strict=True):
            intervals[index] = Interval(*row) if all(map(math.isfinite, row)) else None
    return intervals


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def format_digits(value: float, digits: int) -> str:
    """Return a number rounded to significant digits, with all digits before the point.

    >>> format_digits(127.3, 2), format_digits(0.03127, 2), format_digits(1234567.0, 3)
    ('127', '0.031', '1234567')
    """
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}"


def format_difference(difference: Difference) -> str:
    """Return a difference as a sentence without its period.

    >>> format_difference(Difference(measure="frechet", first="torch", second="keras",
    ...     means=(10.0, 10.3), deviations=(1.1, 1.1), seeds=(3, 3), mean=0.3, low=-2.2, high=2.8,
    ...     pairs=1, between_seeds=1.1, detectable=3.4, verdict="no difference seen"))
    'Fréchet distance, keras minus torch: 0.3 ± 2.5, no difference seen with 3 seeds; a difference \
of 3.4 would have been seen'
    """
    seeds, title = min(difference.seeds), MEASURES[difference.measure].title
    mean = format_digits(difference.mean, 3)
    text = f"{title}, {difference.second} minus {difference.first}: {mean}"
    if seeds == 1:
        return f"{text}, undecided: 1 seed does not show the variation between seeds"
    if difference.low is None or difference.high is None:
        return f"{text}, undecided: an interval needs SciPy (pip install scipy)"
    text += f" ± {format_digits((difference.high - difference.low) / 2, 2)}, "
    if difference.verdict == "different":
        better = MEASURES[difference.measure].better
        if better not in ("less", "more"):
            return f"{text}different with {seeds} seeds"
        lower_wins = better == "less"
        winner = difference.second if (difference.mean < 0) == lower_wins else difference.first
        return f"{text}different with {seeds} seeds, {winner} is better"
    if difference.verdict == "undecided":
        return f"{text}undecided: {seeds} seeds are too few"
    detectable = format_digits(difference.detectable or 0.0, 2)
    return (
        f"{text}{difference.verdict} with {seeds} seeds; a difference of {detectable} would have "
        "been seen"
    )
