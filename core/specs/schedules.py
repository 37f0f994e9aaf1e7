"""Schedules as data: numbers that change during a training.

Wherever the type of a field is :data:`Number`, a schedule may stand in place of a constant. Core
evaluates it in float64 before each step, as a function of the step alone, so a resumed training
and another framework get the same values. Formulas contain the progress p, which goes from 0 at
``start`` to 1 at ``end``. Times count the steps, or the passes over the data as a real number, that
lie behind.
"""

from __future__ import annotations

import bisect
import copy
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, cast

from gandem.core.fields import KINDS, Checked, InvalidValue, Range, hints
from gandem.core.specs.schedule_text import format_call, parse_call

__all__ = [
    "SCHEDULES",
    "Cosine",
    "Exponential",
    "Linear",
    "Number",
    "Piecewise",
    "Ramp",
    "Schedule",
    "Steps",
    "Warmup",
    "at_start",
    "at_step",
    "find_schedules",
]

Time = Annotated[float, Range(0)]
"""A number of steps or epochs from 0."""
Positive = Annotated[float, Range(0, open_low=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Checked):
    """A number as a function of the step. ``unit`` is the unit of all times."""

    tag: ClassVar[str] = "schedule"
    example: ClassVar[str] = "cosine(2e-4, 0, 20 epochs)"
    kind: ClassVar[str] = ""

    def value(self, step: int, epoch: float) -> float:
        """Return the value of a step.

        Args:
            step: the steps made before it.
            epoch: the passes over the data made before it.
        """
        raise NotImplementedError

    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest value that the schedule can have."""
        raise NotImplementedError

    def horizon(self) -> tuple[float, float]:
        """Return the step and the epoch after which the value stays as it is."""
        raise NotImplementedError

    def simplify(self) -> Schedule | float:
        """Return the number if the schedule always has the same value."""
        low, high = self.limits()
        return low if low == high else self

    @classmethod
    def read(cls, text: str) -> dict[str, Any]:
        """Return the table of a schedule that is written as a call.

        Arguments are fields in their order or by name; ``epochs`` or ``steps`` after a number is
        the unit.

        >>> Schedule.read("cosine(2e-4, 0, 20 epochs)")
        {'schedule': 'cosine', 'from': 0.0002, 'to': 0, 'end': 20, 'unit': 'epochs'}

        Raises:
            ValueError: the text is not a call.
        """
        members: dict[str, Any] = {**SCHEDULES}
        return parse_call(text, {kind: list(hints(members[kind])) for kind in members})

    def __str__(self) -> str:
        """Return the schedule as :meth:`read` takes it.

        >>> str(Warmup(then=Cosine(from_=2e-4, to=0, start=500, end=9000), end=500))
        'warmup(cosine(0.0002, 0, 9000 steps, start=500), 500 steps)'
        """
        return format_call(self)


Number = float | Schedule
"""A constant or a schedule."""
Unit = Literal["steps", "epochs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(Schedule):
    """Base of the schedules that go from one value to another: ``from_`` until ``start``, ``to``
    after ``end``. In a spec file ``from_`` is ``from``.
    """

    from_: float
    to: float
    end: Positive
    start: Time = 0.0
    unit: Unit = "steps"

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        _check_span(self.start, self.end, self.unit)

    def value(self, step: int, epoch: float) -> float:
        """Return the value of a step; see :meth:`Schedule.value`."""
        progress = _progress(self, step, epoch)
        if progress in (0, 1):
            return self.to if progress else self.from_
        return self.between(progress)

    def between(self, progress: float) -> float:
        """Return the value for a progress p, 0 < p < 1."""
        raise NotImplementedError

    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        return min(self.from_, self.to), max(self.from_, self.to)

    def horizon(self) -> tuple[float, float]:
        """Return the step and the epoch after which the value stays."""
        return _horizon(self.end, self.unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Ramp):
    """A straight line: from + (to - from)·p."""

    kind: ClassVar[str] = "linear"

    def between(self, progress: float) -> float:
        """Return the value for a progress p."""
        return self.from_ + (self.to - self.from_) * progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosine(Ramp):
    """Half a period of a cosine: to + (from - to)·(1 + cos πp)/2. Loshchilov & Hutter 2016,
    arXiv:1608.03983.
    """

    kind: ClassVar[str] = "cosine"

    def between(self, progress: float) -> float:
        """Return the value for a progress p."""
        return self.to + (self.from_ - self.to) * 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(Ramp):
    """A constant factor per step: from·(to/from)ᵖ, for values above 0."""

    kind: ClassVar[str] = "exponential"
    from_: Positive
    to: Positive

    def between(self, progress: float) -> float:
        """Return the value for a progress p."""
        value: float = self.from_ * (self.to / self.from_) ** progress
        low, high = self.limits()
        return min(max(value, low), high)  # rounding must not leave the range of the field


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup(Schedule):
    """A line from ``from_`` to another schedule or a constant, ``then``: from + (then - from)·p,
    with the value that ``then`` has at the time. From ``end`` on it is ``then``.
    """

    kind: ClassVar[str] = "warmup"
    then: Number
    end: Positive
    start: Time = 0.0
    from_: float = 0.0
    unit: Unit = "steps"

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        _check_span(self.start, self.end, self.unit)

    def value(self, step: int, epoch: float) -> float:
        """Return the value of a step; see :meth:`Schedule.value`."""
        then = _value(self.then, step, epoch)
        return self.from_ + (then - self.from_) * _progress(self, step, epoch)

    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        low, high = _limits(self.then)
        return min(self.from_, low), max(self.from_, high)

    def horizon(self) -> tuple[float, float]:
        """Return the step and the epoch after which the value stays."""
        return _horizon(self.end, self.unit, self.then)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps(Schedule):
    """One value after another: ``values[0]`` before ``boundaries[0]``, ``values[1]`` from there
    on, and so on. Values may be schedules, so this also puts schedules in a row.
    """

    kind: ClassVar[str] = "steps"
    values: tuple[Number, ...]
    boundaries: tuple[Time, ...]
    unit: Unit = "steps"

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if len(self.values) != len(self.boundaries) + 1 or not self.boundaries:
            raise InvalidValue(
                f"{len(self.values)} values and {len(self.boundaries)} boundaries; expected one "
                "value more than boundaries."
            )
        _check_ascending(self.boundaries, "boundaries")

    def value(self, step: int, epoch: float) -> float:
        """Return the value of a step; see :meth:`Schedule.value`."""
        index = bisect.bisect_right(self.boundaries, step if self.unit == "steps" else epoch)
        return _value(self.values[index], step, epoch)

    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        lows, highs = zip(*map(_limits, self.values), strict=True)
        return min(lows), max(highs)

    def horizon(self) -> tuple[float, float]:
        """Return the step and the epoch after which the value stays."""
        return _horizon(self.boundaries[-1], self.unit, *self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piecewise(Schedule):
    """Straight lines between points: ``values[i]`` at ``times[i]``, constant outside."""

    kind: ClassVar[str] = "piecewise"
    values: tuple[float, ...]
    times: tuple[Time, ...]
    unit: Unit = "steps"

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if len(self.values) != len(self.times) or len(self.values) < 2:
            raise InvalidValue(
                f"{len(self.values)} values and {len(self.times)} times; expected as many values "
                "as times, at least two."
            )
        _check_ascending(self.times, "times")

    def value(self, step: int, epoch: float) -> float:
        """Return the value of a step; see :meth:`Schedule.value`."""
        time = step if self.unit == "steps" else epoch
        after = bisect.bisect_right(self.times, time)
        if after in (0, len(self.times)):
            return self.values[0] if after == 0 else self.values[-1]
        start, end = self.times[after - 1 : after + 1]
        low, high = self.values[after - 1 : after + 1]
        return low + (high - low) * ((time - start) / (end - start))

    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        return min(self.values), max(self.values)

    def horizon(self) -> tuple[float, float]:
        """Return the step and the epoch after which the value stays."""
        return _horizon(self.times[-1], self.unit)


SCHEDULES: dict[str, type[Schedule]] = {
    cls.kind: cls for cls in (Linear, Cosine, Exponential, Warmup, Steps, Piecewise)
}
KINDS[Schedule] = SCHEDULES


def find_schedules(part: Any, path: str = "") -> Iterator[tuple[str, Schedule]]:
    """Yield each schedule of a spec or a part of it, with its path: ``"loss.r1"``,
    ``"generator.optimizer.learning_rate"``.
    """
    kind = cast(Any, type(part))  # mypy#11469
    for name in hints(kind):
        value = getattr(part, name)
        if isinstance(value, Schedule):
            yield f"{path}{name}", value
        elif name == "players":
            for player in value:
                yield from find_schedules(player, f"{player.name}.")
        elif isinstance(value, Checked):
            yield from find_schedules(value, f"{path}{name}.")


def at_step(part: Any, path: str, values: Mapping[str, Any]) -> Any:
    """Return a part of a spec with the values of one step in place of its schedules.

    Args:
        path: of the part, ``"loss"``.
        values: by the path of the schedule, ``"schedule/loss.r1"``.
    """
    prefix = f"schedule/{path}."
    if not any(name.startswith(prefix) for name in values):  # most parts; their fields are many
        return part
    changed, kind = None, cast(Any, type(part))
    for name in hints(kind):
        old = new = getattr(part, name)
        if isinstance(old, Schedule):
            new = values[f"{prefix}{name}"]
        elif isinstance(old, Checked):
            new = at_step(old, f"{path}.{name}", values)
        if new is not old:
            changed = changed or copy.copy(part)
            object.__setattr__(changed, name, new)
    return changed or part


def at_start(part: Any) -> Any:
    """Return a spec's loss, training or optimizer with the first value of each schedule."""
    return at_step(part, "", {f"schedule/.{k}": s.value(0, 0.0) for k, s in find_schedules(part)})


def _value(number: Number, step: int, epoch: float) -> float:
    return number.value(step, epoch) if isinstance(number, Schedule) else number


def _limits(number: Number) -> tuple[float, float]:
    return number.limits() if isinstance(number, Schedule) else (number, number)


def _horizon(end: float, unit: str, *inner: Number) -> tuple[float, float]:
    ends = [number.horizon() for number in inner if isinstance(number, Schedule)]
    steps, epochs = zip((end, 0.0) if unit == "steps" else (0.0, end), *ends, strict=True)
    return max(steps), max(epochs)


def _progress(span: Ramp | Warmup, step: int, epoch: float) -> float:
    """Return which part of a span has passed, from 0 to 1."""
    time = step if span.unit == "steps" else epoch
    return min(max((time - span.start) / (span.end - span.start), 0.0), 1.0)


def _check_span(start: float, end: float, unit: str) -> None:
    if not start < end:
        raise InvalidValue(
            f"the schedule starts at {start:g} and ends at {end:g} {unit}; set end above start."
        )


def _check_ascending(times: tuple[float, ...], name: str) -> None:
    for before, after in itertools.pairwise(times):
        if not before < after:
            raise InvalidValue(f"{name}: {after:g} follows {before:g}; expected ascending numbers.")
