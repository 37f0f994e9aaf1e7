"""Text for the stages and schedules of a training."""

from __future__ import annotations

from gandem.core.specs import Schedule, Spec, find_schedules, plan_spec, stage_specs
from gandem.terminal.tables import format_table

BARS = "▁▂▃▄▅▆▇█"
DRAWN_POINTS = 16


def format_stages(spec: Spec) -> list[str]:
    """Return a table of the stages of a training, with the parameters of their networks."""
    stages = spec.training.stages
    if not stages:
        return []
    names = [player.name for player in spec.players]
    head = ("", "images", "length", "fade-in", "batch size", "learning rate", *names)
    rows = [head]
    for number, (stage, own) in enumerate(zip(stages, stage_specs(spec), strict=True), 1):
        rates = dict.fromkeys(str(player.optimizer.learning_rate) for player in own.players)
        rows.append(
            (
                str(number),
                "×".join(map(str, own.image.shape)),
                f"{stage.length:,.12g} {stage.unit}",
                f"{stage.fade_in:,.12g} {stage.unit}" if stage.fade_in else "-",
                str(own.training.batch_size),
                ", ".join(rates),
                *(f"{plan.parameter_count:,}" for plan in plan_spec(own).values()),
            )
        )
    return ["", "stages", format_table(rows)]


def format_schedules(spec: Spec) -> list[str]:
    """Return a table of the schedules of a spec, each drawn until it stays as it is."""
    rows = [(path, _draw(schedule), str(schedule)) for path, schedule in find_schedules(spec)]
    return ["", "schedules", format_table(rows)] if rows else []


def _draw(schedule: Schedule) -> str:
    """Return the values of a schedule as bars of different heights.

    >>> from gandem.core.specs import Linear
    >>> _draw(Linear(from_=1, to=0, end=100))
    '██▇▇▆▆▅▅▄▄▃▃▂▂▁▁'
    """
    steps, epochs = schedule.horizon()
    low, high = schedule.limits()
    times = [i / (DRAWN_POINTS - 1) for i in range(DRAWN_POINTS)]
    values = [schedule.value(int(steps * time), epochs * time) for time in times]
    return "".join(BARS[min(int((value - low) / (high - low) * 8), 7)] for value in values)
