"""How to do a comparison again, or a part of it: what was trained, on what, and the commands."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gandem.core.compare.comparison import Comparison
from gandem.core.compare.grid import Cell, Grid, Setting

__all__ = ["command_again", "command_of", "commands_of", "makings_of", "walk_of"]

Found = Mapping[str, Any]

OPTIONS = {
    "data": None,
    "data_dir": None,
    "classes": None,
    "epochs": None,
    "steps": None,
    "precision": "float32",
    "count": 10_000,
    "extractor": None,
    "evaluate_every": 0,
    "path_steps": 100,
}
"""Fields of a grid that are options of the same name, and what they are where nobody says so."""
TRAIN = ("data", "data_dir", "classes", "epochs", "steps", "precision", "evaluate_every")
"""Those of a training."""


def command_of(grid: Grid, out: str) -> str:
    """Return the command that makes a comparison; options that are as usual are left out.

    >>> print(command_of(Grid(models=("dcgan",), backends=("torch", "keras"), steps=9), "my out"))
    gandem compare dcgan --backends torch,keras --seeds 3 --steps 9 --out 'my out'
    """
    words = ["compare", *grid.models, *_option("backends", grid.backends)]
    words += _option("seeds", len(grid.seeds))
    for path, values in _varied(grid).items():
        words += _option("vary", f"{path}={','.join(values)}")
    for change in grid.changes:
        words += _option("set", change)
    for name, usual in OPTIONS.items():
        if getattr(grid, name) != usual:
            words += _option(name, getattr(grid, name))
    return shlex.join(["gandem", *words, *_option("out", out)])


def commands_of(grid: Grid, cell: Cell, folder: str) -> list[str]:
    """Return the commands that make one cell: one that trains, one that scores.

    Args:
        folder: the run's.
    """
    words = ["train", cell.model, *_option("backend", cell.backend), *_option("seed", cell.seed)]
    for name in TRAIN:
        if getattr(grid, name) != OPTIONS[name]:
            words += _option(name, getattr(grid, name))
    words += _set(grid, cell.setting)
    score = ["evaluate", folder, "--checkpoint", "last", *_option("count", grid.count)]
    score += _option("extractor", grid.extractor)
    return [shlex.join(["gandem", *words, *_option("out", folder)]), shlex.join(["gandem", *score])]


def walk_of(grid: Grid, model: str, setting: Setting, seed: int, pair: tuple[str, str]) -> str:
    """Return the command that follows two backends side by side."""
    words = ["parity", model, *_option("backends", pair), *_option("seed", seed)]
    for name in ("data", "data_dir", "classes"):
        words += _option(name, getattr(grid, name))
    words += [*_set(grid, setting), "--size", "full", "--tier", "twin"]
    return shlex.join(["gandem", *words, *_option("steps", grid.path_steps)])


def _set(grid: Grid, setting: Setting) -> Iterator[str]:
    for change in (*grid.changes, *setting.changes):
        yield from _option("set", change)


def _varied(grid: Grid) -> dict[str, list[str]]:
    """Return what varies and its values, of which the settings are all combinations."""
    found: dict[str, list[str]] = {}
    for setting in grid.settings:
        for change in setting.changes:
            path, _, value = change.partition("=")
            values = found.setdefault(path, [])
            if value not in values:
                values.append(value)
    return found


def _option(name: str, value: Any) -> Iterator[str]:
    """Yield an option and its value; none where there is no value."""
    if value is None:
        return
    text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    option = f"--{name.replace('_', '-')}"
    if text.startswith("-"):
        yield f"{option}={text}"
    else:
        yield from (option, text)


# --- what was trained ----------------------------------------------------------------------------


def command_again(comparison: Comparison, cells: Sequence[Found]) -> str:
    """Return the command that made a comparison, or a run that stands alone."""
    if comparison.alone:
        return str(cells[0]["facts"].get("command", ""))
    return command_of(comparison.grid, comparison.path.resolve().name)


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
            "name": f"{model}, {setting.name}" if setting.changes else model,
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
        yield from commands_of(grid, cell, f"runs/{cell.folder}")
    for pair in itertools.combinations(grid.backends, 2) if grid.path_steps else ():
        yield walk_of(grid, model, setting, seed, pair)


def _data(facts: Found) -> dict[str, str]:
    told = facts.get("data")
    told = told if isinstance(told, dict) else {}
    return {n: str(told.get(n, "")) for n in ("name", "count", "digest", "source", "licence")}


def _machine(facts: Found) -> str:
    """Return what a run says of where it was trained."""
    told = facts.get("versions")
    there = told if isinstance(told, dict) else {}
    versions = [f"{name} {version}" for name, version in there.items()]
    ours = [f"gandem {facts['gandem']}"] if facts.get("gandem") else []
    return ", ".join([*versions, *ours, f"on {facts.get('device', '?')}"])
