"""What a comparison says: statistics over seeds, and the sentence that follows from them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gandem.metrics.evaluation import MEASURES

__all__ = ["LEVEL", "Difference", "difference", "outcome_in_words", "short"]

LEVEL = 0.95
"""Of the confidence intervals."""
ENOUGH = 3.6
"""Deviations between seeds that an interval may reach to either side before it tells nothing: three
seeds of each have 2.3 to 3.51, as one group varies more than the other; two have 4.3 and more.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far two groups of trainings are apart in one measure.

    Attributes:
        first, second: their names.
        means, deviations: of each over its seeds; deviations of a sample.
        mean: the second's mean less the first's.
        low, high: its confidence interval, Welch's; None with a single seed.
        between_seeds: the deviation between seeds, pooled over both.
        detectable: the smallest difference that would have been seen with so many seeds, with a
            power of 0.8.
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
    between_seeds: float | None
    detectable: float | None
    verdict: str

    def to_data(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return asdict(self)


def difference(measure: str, groups: Mapping[str, Sequence[float]]) -> list[Difference]:
    """Return the differences of every two groups.

    With s the pooled deviation between seeds, d the difference of the means and its confidence
    interval by Welch's t (Welch 1947): *different* where the interval lies beyond 0 on one side;
    *no difference seen* where it holds 0 and reaches at most ``ENOUGH`` · s to either side, which
    three seeds of each give; *undecided* otherwise: two seeds tell next to nothing.

    Args:
        groups: the measure of each training by group.
    """
    return [
        _between(measure, (a, groups[a]), (b, groups[b]))
        for a, b in itertools.combinations(groups, 2)
    ]


def _between(
    measure: str,
    one: tuple[str, Sequence[float]],
    other: tuple[str, Sequence[float]],
) -> Difference:
    (first, a), (second, b) = one, other
    means = (statistics.fmean(a), statistics.fmean(b))
    d = means[1] - means[0]
    deviations = tuple(statistics.stdev(v) if len(v) > 1 else None for v in (a, b))
    low = high = pooled = detectable = None
    verdict = "undecided"
    if len(a) > 1 and len(b) > 1:
        va, vb = statistics.variance(a), statistics.variance(b)
        pooled = math.sqrt(((len(a) - 1) * va + (len(b) - 1) * vb) / (len(a) + len(b) - 2))
        error, freedom = _welch(va, len(a), vb, len(b))
        reach = _quantile(0.5 + LEVEL / 2, freedom) * error
        low, high = d - reach, d + reach
        detectable = (_quantile(0.5 + LEVEL / 2, freedom) + _quantile(0.8, freedom)) * error
        if low > 0 or high < 0:
            verdict = "different"
        elif reach <= ENOUGH * pooled:
            verdict = "no difference seen"
    return Difference(
        measure=measure,
        first=first,
        second=second,
        means=means,
        deviations=(deviations[0], deviations[1]),
        seeds=(len(a), len(b)),
        mean=d,
        low=low,
        high=high,
        between_seeds=pooled,
        detectable=detectable,
        verdict=verdict,
    )


def _welch(va: float, na: int, vb: float, nb: int) -> tuple[float, float]:
    """Return the standard error of a difference of means, and its degrees of freedom."""
    a, b = va / na, vb / nb
    if a + b == 0:
        return 0.0, float(na + nb - 2)
    return math.sqrt(a + b), (a + b) ** 2 / (a**2 / (na - 1) + b**2 / (nb - 1))


def _quantile(share: float, freedom: float) -> float:
    """Return a quantile of Student's t."""
    from scipy.stats import t

    return float(t.ppf(share, freedom))


def short(value: float, digits: int) -> str:
    """Return a number with so many digits, and no fewer than it has before the point.

    >>> short(127.3, 2), short(0.03127, 2), short(1234567.0, 3)
    ('127', '0.031', '1234567')
    """
    if not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}"


def outcome_in_words(found: Difference) -> str:
    """Return a difference as a sentence without its full stop.

    >>> outcome_in_words(Difference(measure="frechet", first="torch", second="keras",
    ...     means=(10.0, 10.3), deviations=(1.1, 1.1), seeds=(3, 3), mean=0.3, low=-2.2, high=2.8,
    ...     between_seeds=1.1, detectable=3.4, verdict="no difference seen"))
    'Fréchet distance, keras less torch 0.3 ± 2.5, between seeds 1.1: no difference seen at 3 \
seeds; one of 3.4 would have been'
    """
    seeds, title = min(found.seeds), MEASURES[found.measure].title
    said = f"{title}, {found.second} less {found.first} {short(found.mean, 3)}"
    spread, seen = found.between_seeds or 0.0, found.detectable or 0.0
    if found.low is None or found.high is None:
        return f"{said}: undecided, for {seeds} seed tells nothing of the noise between seeds"
    said += f" ± {short((found.high - found.low) / 2, 2)}, between seeds {short(spread, 2)}: "
    if found.verdict == "different":
        better = MEASURES[found.measure].better
        if better == "as real":
            return f"{said}different at {seeds} seeds"
        lower_wins = better == "less"
        winner = found.second if (found.mean < 0) == lower_wins else found.first
        return f"{said}different at {seeds} seeds, {winner} is better"
    if found.verdict == "undecided":
        return f"{said}undecided, {seeds} seeds are too few for so much noise"
    return f"{said}{found.verdict} at {seeds} seeds; one of {short(seen, 2)} would have been"
