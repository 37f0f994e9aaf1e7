"""How to do a comparison again, or a part of it: what was trained, on what, and the commands."""

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
from gandem.compare.sweeps import Setting

__all__ = ["command_again", "in_shell", "makings_of"]

Found = Mapping[str, Any]


def in_shell(words: Sequence[str]) -> str:
    """Return a gandem command as a shell takes it."""
    return shlex.join(("gandem", *words))


def command_again(comparison: Comparison, cells: Sequence[Found]) -> str:
    """Return the command that made a comparison, or a run that stands alone."""
    if comparison.alone:
        return str(cells[0]["facts"].get("command", ""))
    return in_shell(compare_command(comparison.grid, comparison.path.resolve().name))


def makings_of(comparison: Comparison, cells: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """Yield what was trained, on what, and how to do it again one by one, for each model and
    setting.

    Args:
        cells: with the ``facts`` of their runs.
    """
    grid = comparison.grid
    for model, setting in itertools.product(grid.models, grid.settings):
        of = [c for c in cells if (c["model"], c["setting"]) == (model, setting.name)]
        begun = [cell for cell in of if cell["facts"]]
        machines: dict[str, list[str]] = {}
        for cell in begun:
            machines.setdefault(_machine(cell["facts"]), []).append(cell["backend"])
        yield {
            "name": f"{model}, {setting.name}" if setting.texts else model,
            "cells": begun,
            "digests": [*dict.fromkeys(str(c["facts"].get("spec_digest")) for c in begun)],
            "data": _data(begun[0]["facts"]) if begun else {},
            "machines": [(k, ", ".join(dict.fromkeys(v))) for k, v in machines.items()],
            "commands": [] if comparison.alone else list(_one_by_one(grid, model, setting)),
        }


def _one_by_one(grid: Grid, model: str, setting: Setting) -> Iterator[str]:
    """Yield the commands of the first seed."""
    seed = grid.seeds[0]
    for backend in grid.backends:
        cell = Cell(model=model, setting=setting, backend=backend, seed=seed)
        folder = f"runs/{cell.folder}"
        yield in_shell(train_command(grid, cell, folder))
        yield in_shell(evaluate_command(grid, folder))
    for pair in itertools.combinations(grid.backends, 2) if grid.path_steps else ():
        yield in_shell(parity_command(grid, model, setting, seed, pair))


def _data(facts: Found) -> dict[str, str]:
    told = facts.get("data")
    told = told if isinstance(told, dict) else {}
    return {n: str(told.get(n, "")) for n in ("name", "count", "digest", "source", "license")}


def _machine(facts: Found) -> str:
    """Return what a run says of where it was trained."""
    told = facts.get("versions")
    there = told if isinstance(told, dict) else {}
    versions = [f"{name} {version}" for name, version in there.items()]
    ours = [f"gandem {facts['gandem']}"] if facts.get("gandem") else []
    place = f"on {facts.get('device', '?')}"
    place += f" ({facts['machine']})" if facts.get("machine") else ""
    return ", ".join([*versions, *ours, place])
