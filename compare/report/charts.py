"""Charts as plain data, for a page to draw: curves over steps, and the distance of two backends.

Lines are in the units of their axes, so that the page need not compute; on a logarithmic axis these
are powers of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gandem.core.runs import Run
from gandem.parity.tolerances import RATIO

MAX_POINTS = 300
"""Points of one curve."""
MAX_VALUE = 1e30
"""Larger values cannot be drawn."""
MIN_DISTANCE = 1e-18
"""Smaller distances are drawn as this."""
LOG_RATIO = 20
"""Ratio of the largest to the smallest score from which on their axis is logarithmic."""

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis; on a logarithmic one, ``low`` and ``high`` are powers of ten.

    Attributes:
        ticks: where, as a share from 0 to 1, and its label.
        cut: the lowest and the highest value, if the axis does not reach them.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    cut: tuple[float, float] | None = None
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return the place of a value, from 0 to 1; the end of the axis for one beyond it."""
        return min(1.0, max(0.0, self._place(value)))

    def covers(self, value: float) -> bool:
        """Return True if the axis reaches a value."""
        return 0 <= self._place(value) <= 1

    def _place(self, value: float) -> float:
        if self.is_log:
            value = math.log10(value) if value > 0 else -math.inf
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        style: classes of the style sheet.
        marks: model, setting, backend and seed, for the page.
    """

    name: str
    points: Points
    style: str = ""
    marks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The points as an SVG writes them."""
        return " ".join(f"{x:.6g},{y:.6g}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines on their axes, and the upper edge of a shaded area."""

    lines: tuple[Line, ...]
    x: Axis
    y: Axis
    area: Points | None = None

    @property
    def view_box(self) -> str:
        """The view box of an SVG whose y points upwards."""
        x, y = self.x, self.y
        return f"{x.low:.6g} {-y.high:.6g} {x.high - x.low:.6g} {y.high - y.low:.6g}"

    @property
    def outline(self) -> str:
        """The area, down to the axis."""
        if not self.area:
            return ""
        bottom = [(self.area[-1][0], self.y.low), (self.area[0][0], self.y.low)]
        return Line("", [*self.area, *bottom]).path


# --- curves --------------------------------------------------------------------------------------


def read_curves(run: Run, names: Sequence[str], count: int = MAX_POINTS) -> dict[str, Points]:
    """Return steps and values of the losses and scores that a run has logged, without those that
    are not finite.
    """
    curves: dict[str, dict[int, float]] = {}
    for row in run.rows():
        scores = row.get("scores")
        values = scores if isinstance(scores, dict) else row
        for name in names:
            value, step = values.get(name), row["step"]
            if isinstance(value, int | float) and abs(value) < MAX_VALUE and 0 <= step < MAX_VALUE:
                curves.setdefault(name, {})[step] = value
    return {name: _thin(sorted(values.items()), count) for name, values in curves.items()}


def _thin(points: Sequence[tuple[float, float]], count: int) -> Points:
    stride = -(-len(points) // count)
    return [*points[:-1:stride], points[-1]]


def line_chart(lines: Sequence[Line]) -> Chart:
    """Return lines over steps, on axes that fit them."""
    last = max((x for line in lines for x, _ in line.points), default=1.0) or 1.0
    interval = _round_down(last / 3)
    ticks = [interval * n for n in range(int(last / interval + 1e-9) + 1)]
    x = Axis(0.0, last, tuple((tick / last, format_tick(tick)) for tick in ticks))
    return Chart(tuple(lines), x, _scale(y for line in lines for _, y in line.points))


def share_scale(charts: Sequence[Chart]) -> list[Chart]:
    """Return charts of one measure with one axis for all their values."""
    y = _scale(y for chart in charts for line in chart.lines for _, y in line.points)
    return [replace(chart, y=y) for chart in charts]


def dot_axis(values: Sequence[float]) -> Axis:
    """Return an axis for the scores of many runs, with a margin; logarithmic if the largest is many
    times the smallest.
    """
    low, high = min(values), max(values)
    is_log = 0 < low * LOG_RATIO <= high
    axis = Axis(math.log10(low), math.log10(high)) if is_log else _scale(values)
    margin = (axis.high - axis.low) / 16
    axis = Axis(axis.low - margin, axis.high + margin, cut=axis.cut, is_log=is_log)
    ends = dict.fromkeys((low, high))
    return replace(axis, ticks=tuple((axis.share(end), format_tick(end)) for end in ends))


def _scale(values: Iterable[float]) -> Axis:
    """Return an axis for values that cuts off a few outliers; ``page.js`` does the same."""
    ordered = sorted(values) or [0.0]
    last = len(ordered) - 1
    a, b = ordered[math.floor(0.02 * last)], ordered[math.ceil(0.98 * last)]
    low = ordered[0] if ordered[0] >= a - (b - a) else a - (b - a) / 10
    high = ordered[-1] if ordered[-1] <= b + (b - a) else b + (b - a) / 10
    if 0 < low < high - low:
        low = 0.0
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
    interval = _round_down((high - low) / 3)
    first, final = math.ceil(low / interval - 1e-9), int(high // interval)
    marks = [interval * n for n in range(first, final + 1)]
    ticks = tuple(((mark - low) / (high - low), format_tick(mark)) for mark in marks)
    is_cut = ordered[0] < low or high < ordered[-1]
    return Axis(low, high, ticks, (ordered[0], ordered[-1]) if is_cut else None)


def _round_down(interval: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at most ``interval``.

    >>> [_round_down(interval) for interval in (0.3, 7, 10)]
    [0.2, 5.0, 10.0]
    """
    power = 10.0 ** math.floor(math.log10(interval))
    return max(n * power for n in (1, 2, 5) if n == 1 or n * power <= interval * (1 + 1e-9))


def format_tick(value: float) -> str:
    """Return the label of a tick.

    >>> [format_tick(value) for value in (0.0, 0.25, 2000.0, 3e10, 2e-5)]
    ['0', '0.25', '2,000', '3e10', '2e-5']
    """
    if value and not 1e-3 <= abs(value) < 1e6:
        number, power = f"{value:.2e}".split("e")
        return f"{float(number):g}e{int(power)}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{float(f'{value:.3g}'):g}"


# --- trajectories --------------------------------------------------------------------------------


def trajectory_chart(marks: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return the distance of two backends at each mark of a parity report, beside the baseline.

    Both axes are logarithmic. Lines: ``between``, ``losses``, ``baseline``; the shaded area is the
    tolerance: ten times the distance of the baseline, or ten roundings if it has none.

    Returns:
        None if there is nothing to draw.
    """
    columns = {"between": "weights_max", "losses": "loss_max", "baseline": "baseline_max"}
    lines = [Line(name, _to_powers(marks, key), name) for name, key in columns.items()]
    lines = [line for line in lines if line.points]
    area = _to_powers([{**mark, "tolerance": _tolerance(mark)} for mark in marks], "tolerance")
    heights = [y for line in lines for _, y in line.points] + [y for _, y in area]
    if not lines or not heights:
        return None
    low, high = math.floor(min(heights)), math.ceil(max(heights) + 0.1)
    steps = [x for line in lines for x, _ in line.points]
    x = _decades(0.0, max([*steps, 0.3]), 1)
    y = _decades(float(low), float(high), -(-(high - low) // 5))
    return Chart(tuple(lines), x, y, area or None)


def _tolerance(mark: Mapping[str, Any]) -> float:
    values = [mark.get(name) for name in ("baseline_max", "floor")]
    return RATIO * max((v for v in values if isinstance(v, int | float)), default=0.0)


def _to_powers(marks: Sequence[Mapping[str, Any]], key: str) -> Points:
    """Return the steps and distances of marks as powers of ten."""
    points = []
    for mark in marks:
        step, value = mark.get("step"), mark.get(key)
        if isinstance(step, int) and step > 0 and isinstance(value, int | float):
            if 0 <= value < MAX_VALUE:
                points.append((math.log10(step), math.log10(max(value, MIN_DISTANCE))))
    return points


def _decades(low: float, high: float, every: int) -> Axis:
    powers = range(math.ceil(low), math.floor(high) + 1, max(1, every))
    ticks = tuple(((power - low) / (high - low), _format_power(power)) for power in powers)
    return Axis(low, high, ticks, is_log=True)


def _format_power(power: int) -> str:
    """Return a power of ten as a label.

    >>> [_format_power(power) for power in (0, 2, -15)]
    ['1', '100', '10⁻¹⁵']
    """
    if 0 <= power < 4:
        return str(10**power)
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
