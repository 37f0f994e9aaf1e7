"""What stands side by side on a page: backends of one setting, or the settings of one backend; and
the table of their means over seeds.

Names may be anything, so what a part of the page is of is told by ``marks``, places in the grid:
``m`` of models, ``v`` of settings (which vary), ``b`` of backends, ``s`` of seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gandem.compare.grid import Grid
from gandem.metrics.evaluation import Protocol, format_protocol

__all__ = ["Column", "Panel", "floors_of", "marks_of", "means_of", "name_of", "panels_of", "styles"]

Found = Mapping[str, Any]

COLORS, DASHES, WIDTHS = 6, 4, 3
"""That the style sheet has."""
SHOWN_PAIRS = 3
"""Pairs whose differences stand in the table of means; more are told in words alone."""


@dataclass(frozen=True, slots=True)
class Column:
    """Trainings that differ in their seeds alone."""

    name: str
    style: str
    marks: Found
    cells: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Columns that are to be compared.

    Attributes:
        title: empty for the only one; differences between its columns are told by it.
    """

    title: str
    model: str
    marks: Found
    columns: tuple[Column, ...]

    @property
    def cells(self) -> list[Found]:
        """Its trainings."""
        return [cell for column in self.columns for cell in column.cells]


def marks_of(grid: Grid, row: Found) -> dict[str, Any]:
    """Return which model, setting, backends and seed a row is of."""
    found: dict[str, Any] = {}
    if "model" in row:
        found["m"] = grid.models.index(row["model"])
    if "setting" in row:
        found["v"] = [setting.name for setting in grid.settings].index(row["setting"])
    backends = [row["backend"]] if "backend" in row else row.get("backends", ())
    if backends:
        found["b"] = " ".join(str(grid.backends.index(name)) for name in backends)
    if "seed" in row:
        found["s"] = grid.seeds.index(row["seed"])
    return found


def name_of(grid: Grid, row: Found, *last: str) -> str:
    """Return what tells a row from the others, in words."""
    names = [row["model"]] if len(grid.models) > 1 else []
    names += [row["setting"]] if len(grid.settings) > 1 else []
    return ", ".join((*names, *last))


def styles(grid: Grid) -> tuple[str, list[str]]:
    """Return what has a color and a dash of its own, backends or settings, as its mark, and these
    as classes of the style sheet.
    """
    several = len(grid.backends) > 1
    count = len(grid.backends if several else grid.settings)
    return "b" if several else "v", [f"c{n % COLORS} d{n % DASHES}" for n in range(count)]


def panels_of(grid: Grid, cells: Sequence[Found]) -> Iterator[Panel]:
    """Yield the panels of a grid.

    Args:
        cells: with their ``style`` and their ``marks``.
    """
    alone = len(grid.backends) == 1
    for place, model in enumerate(grid.models):
        of = [cell for cell in cells if cell["model"] == model]
        head = [model] if len(grid.models) > 1 else []
        if alone:
            names = [setting.name for setting in grid.settings]
            columns = _columns(of, "setting", names)
            yield Panel(", ".join(head), model, {"m": place}, columns)
            continue
        for number, setting in enumerate(grid.settings):
            names = [*head, setting.name] if len(grid.settings) > 1 else head
            columns = _columns(
                [cell for cell in of if cell["setting"] == setting.name], "backend", grid.backends
            )
            yield Panel(", ".join(names), model, {"m": place, "v": number}, columns)


def _columns(cells: Sequence[Found], by: str, names: Sequence[str]) -> tuple[Column, ...]:
    found = []
    for name in names:
        of = tuple(cell for cell in cells if cell[by] == name)
        marks = {kind: place for kind, place in of[0]["marks"].items() if kind != "s"}
        title = of[0]["backend"] if len(names) == 1 else name
        found.append(Column(title, of[0]["style"], marks, of))
    return tuple(found)


# --- means ---------------------------------------------------------------------------------------


def means_of(panel: Panel, outcomes: Sequence[Found], names: Sequence[str]) -> dict[str, Any]:
    """Return a panel's table: mean and deviation of each column, and what they differ by.

    Args:
        outcomes: differences, of all panels.
        names: of the measures.
    """
    rows = [row for row in outcomes if (row["model"], row["where"]) == (panel.model, panel.title)]
    every = [*dict.fromkeys((row["first"], row["second"]) for row in rows)]
    pairs = every if len(every) <= SHOWN_PAIRS else []
    told = {(row["measure"], row["first"], row["second"]): row for row in rows}
    floors = floors_of(panel.cells)
    return {
        "rows": [
            {
                "name": name,
                "means": [_mean(column, name) for column in panel.columns],
                "pairs": [told.get((name, *pair)) for pair in pairs],
            }
            for name in names
            if any(name in cell["values"] for cell in panel.cells)
        ],
        "pairs": pairs,
        "floor": next(iter(floors.values())) if len(floors) == 1 else {},
        "protocols": list(floors),
    }


def _mean(column: Column, name: str) -> dict[str, Any]:
    """Return a column's mean over its seeds, its deviation, and of how many of them."""
    told = [cell["values"].get(name) for cell in column.cells]
    there = [value for value in told if isinstance(value, int | float)]
    return {
        "mean": statistics.fmean(there) if there else None,
        "deviation": statistics.stdev(there) if len(there) > 1 else None,
        "count": len(there),
        "of": len(told),
    }


def floors_of(cells: Sequence[Found]) -> dict[str, Found]:
    """Return what real images get, by each protocol in words."""
    found: dict[str, Found] = {}
    for cell in cells:
        try:
            words = format_protocol(Protocol(**cell["protocol"])) if cell["protocol"] else ""
        except (TypeError, ValueError):
            words = "A protocol of another gandem."
        if words:
            found.setdefault(words, cell["floor"])
    return found
