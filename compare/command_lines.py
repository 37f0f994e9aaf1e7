"""The gandem commands that a comparison is made of, as words that a shell, or a process, takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gandem.compare.grid import Cell, Grid, Setting
from gandem.core.errors import NotFoundError
from gandem.core.runs import Settings
from gandem.core.specs import find_model

__all__ = ["compare_words", "score_words", "train_words", "walk_words"]

OPTIONS = {
    "data": None,
    "data_dir": None,
    "classes": None,
    "epochs": None,
    "steps": None,
    "precision": "float32",
    "device": "auto",
    "count": 10_000,
    "extractor": None,
    "evaluate_every": 0,
    "path_steps": 50,
}
"""The fields of a grid that are options, with their defaults."""
OPTION_NAMES = {"count": "num_samples"}
"""The options whose name is not that of the field."""
SAMPLES = 10
"""Grids of samples of a training, at least, to slide through."""
TRAIN = (
    *("data", "data_dir", "classes", "epochs", "steps", "precision"),
    *("device", "evaluate_every"),
)
"""Those of a training."""


def compare_words(grid: Grid, out: str) -> tuple[str, ...]:
    """Return the command that makes a comparison; options that are as usual are left out.

    >>> " ".join(compare_words(Grid(models=("dcgan",), backends=("torch", "keras")), "out"))
    'compare dcgan --backends torch,keras --seeds 3 --out out'
    """
    words = ["compare", *grid.models, *_option("backends", grid.backends)]
    words += _option("seeds", len(grid.seeds))
    for path, values in _varied(grid).items():
        words += _option("sweep", f"{path}={','.join(values)}")
    for change in grid.changes:
        words += _option("set", change)
    for name, usual in OPTIONS.items():
        if getattr(grid, name) != usual:
            words += _option(name, getattr(grid, name))
    return (*words, *_option("out", out))


def train_words(grid: Grid, cell: Cell, folder: str) -> tuple[str, ...]:
    """Return the command that trains a cell's run in a folder."""
    words = ["train", cell.model, *_option("backend", cell.backend), *_option("seed", cell.seed)]
    for name in TRAIN:
        if getattr(grid, name) != OPTIONS[name]:
            words += _option(name, getattr(grid, name))
    if total := grid.total(cell.model, cell.setting):
        words += _option("sample_steps", max(1, total // SAMPLES))
    return (*words, *_set(grid, cell.setting), *_option("out", folder))


def score_words(grid: Grid, folder: str) -> tuple[str, ...]:
    """Return the command that scores the run in a folder."""
    words = ["evaluate", folder, "--checkpoint", "last", *_option("count", grid.count)]
    if grid.device != OPTIONS["device"]:
        words += _option("device", grid.device)
    return (*words, *_option("extractor", grid.extractor))


def walk_words(
    grid: Grid, model: str, setting: Setting, seed: int, pair: tuple[str, str]
) -> tuple[str, ...]:
    """Return the command that follows two backends side by side, on the model's data."""
    words = ["parity", model, *_option("backends", pair), *_option("seed", seed)]
    try:
        recipe = find_model(model)
    except NotFoundError:  # a plugin's, which is not installed where the page is drawn
        recipe = None
    of = Settings(data=grid.data, classes=grid.classes).with_recipe(recipe)
    words += [*_option("data", of.data), *_option("data_dir", grid.data_dir)]
    words += _option("classes", of.classes or None)
    words += [*_set(grid, setting), "--size", "full", "--tier", "baseline"]
    return (*words, *_option("steps", grid.path_steps))


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
    text = ",".join(map(str, value)) or "all" if isinstance(value, tuple) else str(value)
    option = f"--{OPTION_NAMES.get(name, name).replace('_', '-')}"
    if text.startswith("-"):
        yield f"{option}={text}"
    else:
        yield from (option, text)
