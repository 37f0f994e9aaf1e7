"""The panels of samples and curves: runs side by side that differ in one dimension and the seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gandem.compare.report.labels import Labels

__all__ = ["Column", "Panel", "panels_of"]

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


def panels_of(labels: Labels, cells: Sequence[Row]) -> Iterator[Panel]:
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
