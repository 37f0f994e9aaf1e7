"""How to reproduce a comparison: the commands, and what was trained on which data and machine."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gandem.compare.command_lines import (
    compare_command,
    evaluate_command,
    parity_command,
    train_command,
)
from gandem.compare.comparison import Comparison
from gandem.compare.grid import Cell, Grid
from gandem.compare.labels import Labels
from gandem.compare.sweeps import Setting

CellData = Mapping[str, Any]


def format_command(arguments: Sequence[str]) -> str:
    """Return a gandem command for a shell."""
    return shlex.join(("gandem", *arguments))


def whole_command(comparison: Comparison, cells: Sequence[CellData]) -> str:
    """Return the command of a comparison, or of a single run."""
    if comparison.alone:
        return str(cells[0]["facts"].get("command", ""))
    return format_command(compare_command(comparison.grid, comparison.path.resolve().name))


def describe_settings(
    comparison: Comparison, labels: Labels, cells: Sequence[CellData]
) -> Iterator[dict[str, Any]]:
    """Yield the digests, the data, the machines and the commands of each model and setting.

    Args:
        cells: with the ``facts`` of their runs.
    """
    grid = comparison.grid
    for model, setting in itertools.product(grid.models, grid.settings):
        own = [c for c in cells if (c["model"], c["setting"]) == (model, setting.name)]
        started = [cell for cell in own if cell["facts"]]
        machines: dict[str, list[str]] = {}
        for cell in started:
            machines.setdefault(_describe_machine(cell["facts"]), []).append(cell["backend"])
        yield {
            "name": labels.join({"model": model, "setting": setting.name}) or labels.models[model],
            "cells": started,
            "digests": [*dict.fromkeys(str(c["facts"].get("spec_digest")) for c in started)],
            "data": _describe_data(started[0]["facts"]) if started else {},
            "machines": [(k, ", ".join(dict.fromkeys(v))) for k, v in machines.items()],
            "commands": [] if comparison.alone else list(_list_commands(grid, model, setting)),
        }


def _list_commands(grid: Grid, model: str, setting: Setting) -> Iterator[str]:
    """Yield the commands of the first seed."""
    seed = grid.seeds[0]
    for backend in grid.backends:
        cell = Cell(model=model, setting=setting, backend=backend, seed=seed)
        folder = f"runs/{cell.folder}"
        yield format_command(train_command(grid, cell, folder))
        yield format_command(evaluate_command(grid, folder))
    for pair in itertools.combinations(grid.backends, 2) if grid.parity_steps else ():
        yield format_command(parity_command(grid, model, setting, seed, pair))


def _describe_data(facts: CellData) -> dict[str, str]:
    data = facts.get("data") or {}
    return {n: str(data.get(n, "")) for n in ("name", "count", "digest", "source", "license")}


def _describe_machine(facts: CellData) -> str:
    """Return the versions, the device and the machine of a run."""
    versions = [f"{name} {version}" for name, version in (facts.get("versions") or {}).items()]
    versions += [f"gandem {facts['gandem']}"] if facts.get("gandem") else []
    place = f"on {facts.get('device') or 'an unknown device'}"
    place += f" ({facts['machine']})" if facts.get("machine") else ""
    return ", ".join([*versions, place])
