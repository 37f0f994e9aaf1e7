"""The panels of samples and curves, with runs side by side that differ in one dimension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gandem.compare.labels import Labels
from gandem.compare.report.charts import (
    Chart,
    Line,
    line_chart,
    read_curves,
    share_scale,
    trajectory_chart,
)
from gandem.core.runs import Run

CURVES = {
    "discriminator": "Discriminator loss",
    "generator": "Generator loss",
    "frechet": "Fréchet distance during training",
}
MAX_POINTS = 20_000
"""Points of the curves of one measure together."""
WIDTHS = 3
"""Opacities of lines in the style sheet, by seed."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """Runs that differ in their seeds only."""

    name: str
    style: str
    marks: Row
    cells: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Columns side by side; the title is empty if there is one panel only."""

    title: str
    model: str
    marks: Row
    columns: tuple[Column, ...]

    @property
    def cells(self) -> list[Row]:
        """Its runs."""
        return [cell for column in self.columns for cell in column.cells]


def make_panels(labels: Labels, cells: Sequence[Row]) -> Iterator[Panel]:
    """Yield the panels of a grid.

    Args:
        cells: runs with their ``style`` and ``marks``.
    """
    inner = labels.colored
    outer = {"backend": ["model", "setting"], "setting": ["model"], "model": []}[inner]
    for group in _split(cells, outer):
        title = ", ".join(labels.get(group[0], n) for n in outer if n in labels.dimensions)
        marks = {mark: group[0]["marks"][mark] for mark in "mv"[: len(outer)]}
        columns = (
            Column(
                name=labels.get(column[0], inner),
                style=column[0]["style"],
                marks={mark: place for mark, place in column[0]["marks"].items() if mark != "s"},
                cells=tuple(column),
            )
            for column in _split(group, [inner])
        )
        yield Panel(title, str(group[0]["model"]), marks, tuple(columns))


def _split(cells: Sequence[Row], dimensions: Sequence[str]) -> list[list[Row]]:
    """Return groups of cells that are equal in some dimensions."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell[name] for name in dimensions), []).append(cell)
    return list(groups.values())


def draw_curves(panels: Sequence[Panel], runs: Sequence[Run | None]) -> list[list[dict[str, Any]]]:
    """Return the charts of each panel; those of one model and measure have the same scale."""
    count = max(20, min(300, MAX_POINTS // max(1, len(runs))))
    curves = [read_curves(run, [*CURVES], count) if run else {} for run in runs]
    rows: list[list[dict[str, Any]]] = [[] for _ in panels]
    for number, model in enumerate(dict.fromkeys(panel.model for panel in panels)):
        for name, title in CURVES.items():
            charts = {
                place: chart
                for place, panel in enumerate(panels)
                if panel.model == model and (chart := _draw_chart(panel, curves, name))
            }
            for place, chart in zip(charts, share_scale([*charts.values()]), strict=True):
                row = {"name": name, "title": title, "group": f"{number} {name}", "chart": chart}
                row["ends"] = [_read_end(chart, column) for column in panels[place].columns]
                rows[place].append(row)
    return rows


def _read_end(chart: Chart, column: Column) -> list[float]:
    """Return the values of a column's runs at the last step."""
    indices = {cell["index"] for cell in column.cells}
    ends = [line.points[-1] for line in chart.lines if line.marks["i"] in indices]
    return [value for step, value in ends if step >= chart.x.high]


def _draw_chart(panel: Panel, curves: Sequence[Mapping[str, Any]], name: str) -> Chart | None:
    lines = []
    for cell in panel.cells:
        points, marks = curves[cell["index"]].get(name), cell["marks"]
        if points:
            style = f"{cell['style']} w{marks['s'] % WIDTHS}"
            lines.append(Line(cell["name"], points, style, {"i": cell["index"], **marks}))
    return line_chart(lines) if lines else None


def draw_trajectory(labels: Labels, row: Row) -> dict[str, Any]:
    """Return a parity measurement with its chart."""
    chart = trajectory_chart(row["marks"])
    lines = chart.lines if chart else ()
    return {
        **row,
        "marks": labels.marks(row),
        "name": labels.join(row, " and ".join(row["backends"]), f"seed {row['seed']}"),
        "chart": chart,
        "last": f"{10 ** lines[0].points[-1][0]:,.0f}" if lines else "",
        "ends": {line.name: _format_power(line.points[-1][1]) for line in lines},
    }


def _format_power(power: float) -> str:
    """Return ten to a power; the smallest distance is shown as 0."""
    return "0" if power <= -18 else f"{10**power:.1e}"
