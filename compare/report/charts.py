"""Charts as plain data, for a page to draw: curves over steps, and how far two backends are apart.

Lines are in the units of their axes, so that a page need not compute and need not keep them twice;
of a logarithmic axis in powers of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gandem.core.runs import Run
from gandem.parity.tolerances import RATIO

__all__ = ["Axis", "Chart", "Line", "curves_of", "linear", "same_scale", "walk_chart"]

MOST_POINTS = 300
"""Of one curve."""
LARGEST = 1e30
"""What lies beyond it cannot be drawn."""
LEAST = 1e-18
"""Distances below it count as none."""

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows.

    Attributes:
        ticks: where, as a share from 0 to 1, and its label.
        cut: the lowest and the highest value, where the axis does not reach them.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    cut: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        style: names of how it is drawn.
        marks: whose it is, for the page.
    """

    name: str
    points: Points
    style: str = ""
    marks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def drawn(self) -> str:
        """As an SVG writes it, upwards."""
        return " ".join(f"{x:.6g},{y:.6g}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines on their axes, and the outline of an area that is shaded."""

    lines: tuple[Line, ...]
    x: Axis
    y: Axis
    area: Points | None = None

    @property
    def window(self) -> str:
        """What an SVG shows whose y is turned upwards."""
        x, y = self.x, self.y
        return f"{x.low:.6g} {-y.high:.6g} {x.high - x.low:.6g} {y.high - y.low:.6g}"

    @property
    def outline(self) -> str:
        """The area, down to the axis."""
        if not self.area:
            return ""
        below = [(self.area[-1][0], self.y.low), (self.area[0][0], self.y.low)]
        return Line("", [*self.area, *below]).drawn


# --- curves --------------------------------------------------------------------------------------


def curves_of(run: Run, names: Sequence[str], most: int = MOST_POINTS) -> dict[str, Points]:
    """Return steps and values of losses and scores that a training has logged; those that are not
    finite are left out.
    """
    found: dict[str, dict[int, float]] = {}
    for row in run.rows():
        scores = row.get("scores")
        values = scores if isinstance(scores, dict) else row
        for name in names:
            value = values.get(name)
            if isinstance(value, int | float) and max(abs(value), abs(row["step"])) < LARGEST:
                found.setdefault(name, {})[row["step"]] = value
    return {name: _thinned(sorted(values.items()), most) for name, values in found.items()}


def _thinned(points: Sequence[tuple[float, float]], most: int) -> Points:
    every = -(-len(points) // most)
    return [*points[:-1:every], points[-1]]


def linear(lines: Sequence[Line]) -> Chart:
    """Return lines over steps, on axes that fit them."""
    last = max((x for line in lines for x, _ in line.points), default=1.0) or 1.0
    step = _pleasant(last / 3)
    ticks = [step * n for n in range(int(last / step + 1e-9) + 1)]
    x = Axis(0.0, last, tuple((t / last, _label(t)) for t in ticks))
    return Chart(tuple(lines), x, _scale(y for line in lines for _, y in line.points))


def same_scale(charts: Sequence[Chart]) -> list[Chart]:
    """Return charts of one measure with one axis for all their values."""
    y = _scale(y for chart in charts for line in chart.lines for _, y in line.points)
    return [replace(chart, y=y) for chart in charts]


def _scale(values: Iterable[float]) -> Axis:
    """Return an axis for values, few outliers cut off; :file:`page.js` does the same."""
    there = sorted(values) or [0.0]
    last = len(there) - 1
    a, b = there[math.floor(0.02 * last)], there[math.ceil(0.98 * last)]
    low = there[0] if there[0] >= a - (b - a) else a - (b - a) / 10
    high = there[-1] if there[-1] <= b + (b - a) else b + (b - a) / 10
    if 0 < low < high - low:
        low = 0.0
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
    step = _pleasant((high - low) / 3)
    marks = [step * n for n in range(math.ceil(low / step - 1e-9), int(high // step) + 1)]
    ticks = tuple(((mark - low) / (high - low), _label(mark)) for mark in marks)
    within = low <= there[0] and there[-1] <= high
    return Axis(low, high, ticks, None if within else (there[0], there[-1]))


def _pleasant(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at most ``step``.

    >>> [_pleasant(step) for step in (0.3, 7, 10)]
    [0.2, 5.0, 10.0]
    """
    power = 10.0 ** math.floor(math.log10(step))
    return max(n * power for n in (1, 2, 5) if n == 1 or n * power <= step * (1 + 1e-9))


def _label(value: float) -> str:
    """Return a tick's number for people.

    >>> [_label(value) for value in (0.0, 0.25, 2000.0, 3e10, 2e-5)]
    ['0', '0.25', '2,000', '3e10', '2e-5']
    """
    if value and not 1e-3 <= abs(value) < 1e6:
        number, power = f"{value:.2e}".split("e")
        return f"{float(number):g}e{int(power)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{float(f'{value:.3g}'):g}"


# --- two backends side by side -------------------------------------------------------------------


def walk_chart(marks: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return how far two backends are apart at each mark of a parity report, beside the baseline.

    Both axes are logarithmic. Lines: ``between``, ``losses``, ``baseline``; the shaded area is the
    tolerance: ten times the baseline's distance, or ten roundings where it has none.

    Returns:
        None where there is nothing to draw.
    """
    columns = {"between": "weights_max", "losses": "loss_max", "baseline": "baseline_max"}
    lines = [Line(name, _powers(marks, key), name) for name, key in columns.items()]
    lines = [line for line in lines if line.points]
    area = _powers([{**mark, "allowed": _allowed(mark)} for mark in marks], "allowed")
    every = [y for line in lines for _, y in line.points] + [y for _, y in area]
    if not lines or not every:
        return None
    low, high = math.floor(min(every)), math.ceil(max(every) + 0.1)
    steps = [x for line in lines for x, _ in line.points]
    x = _decades(0.0, max([*steps, 0.3]), 1)
    y = _decades(float(low), float(high), -(-(high - low) // 5))
    return Chart(tuple(lines), x, y, area or None)


def _allowed(mark: Mapping[str, Any]) -> float:
    there = [mark.get(name) for name in ("baseline_max", "floor")]
    return RATIO * max((v for v in there if isinstance(v, int | float)), default=0.0)


def _powers(marks: Sequence[Mapping[str, Any]], key: str) -> Points:
    """Return marks as powers of ten: of their steps and their distances."""
    found = []
    for mark in marks:
        step, value = mark.get("step"), mark.get(key)
        if isinstance(step, int) and step > 0 and isinstance(value, int | float):
            if 0 <= value < LARGEST:
                found.append((math.log10(step), math.log10(max(value, LEAST))))
    return found


def _decades(low: float, high: float, every: int) -> Axis:
    powers = range(math.ceil(low), math.floor(high) + 1, max(1, every))
    return Axis(low, high, tuple(((p - low) / (high - low), _power(p)) for p in powers))


def _power(power: int) -> str:
    """Return a power of ten for people.

    >>> [_power(p) for p in (0, 2, -15)]
    ['1', '100', '10⁻¹⁵']
    """
    if 0 <= power < 4:
        return str(10**power)
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
