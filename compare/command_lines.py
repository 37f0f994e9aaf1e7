"""The gandem commands of a comparison, as lists of arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gandem.compare.grid import Cell, Grid
from gandem.compare.sweeps import Setting, format_sweeps
from gandem.core.errors import NotFoundError
from gandem.core.runs import Settings
from gandem.core.specs import find_model

OPTIONS = {
    "data": None,
    "data_dir": None,
    "classes": None,
    "epochs": None,
    "steps": None,
    "precision": "float32",
    "start_from": None,
    "device": "auto",
    "num_samples": 10_000,
    "extractor": None,
    "evaluate_every": 0,
    "parity_steps": 50,
}
"""The fields of a grid that are options of ``gandem compare``, with their defaults."""
OPTION_NAMES = {"start_from": "from"}
"""The names of options that are not those of their fields."""
TRAIN_OPTIONS = (
    *("data", "data_dir", "classes", "epochs", "steps", "precision"),
    *("start_from", "device", "evaluate_every"),
)
SAMPLE_GRIDS = 10
"""Grids of samples during a run, at least, for the slider of the report."""
SCORE_SEED = 1
"""Seed of the scores: other noise and other real images than those that selected the best
checkpoint during the training.
"""


def compare_command(grid: Grid, out: str) -> tuple[str, ...]:
    """Return the command of a comparison, without options that have their default value.

    >>> " ".join(compare_command(Grid(models=("dcgan",), backends=("torch", "keras")), "out"))
    'compare dcgan --backends torch,keras --seeds 3 --out out'
    """
    arguments = ["compare", *grid.models, *_option("backends", grid.backends)]
    arguments += _option("seeds", len(grid.seeds))
    for sweep in format_sweeps(grid.settings):
        arguments += _option("sweep", sweep)
    arguments += _set_options(grid.base)
    for name, default in OPTIONS.items():
        if getattr(grid, name) != default:
            arguments += _option(name, getattr(grid, name))
    return (*arguments, *_option("out", out))


def train_command(grid: Grid, cell: Cell, folder: str) -> tuple[str, ...]:
    """Return the command that trains the run of a cell in a folder."""
    arguments = ["train", cell.model, *_option("backend", cell.backend)]
    arguments += _option("seed", cell.seed)
    for name in TRAIN_OPTIONS:
        if getattr(grid, name) != OPTIONS[name]:
            arguments += _option(name, getattr(grid, name))
    if grid.evaluate_every:
        arguments += _option("extractor", grid.extractor)
    if total := grid.total(cell.model, cell.setting):
        arguments += _option("sample_steps", max(1, total // SAMPLE_GRIDS))
    return (*arguments, *_set_options(grid.base, cell.setting), *_option("out", folder))


def evaluate_command(grid: Grid, folder: str) -> tuple[str, ...]:
    """Return the command that scores the last and the best checkpoint of a run."""
    arguments = [
        "evaluate",
        folder,
        *_option("seed", SCORE_SEED),
        *_option("num_samples", grid.num_samples),
    ]
    if grid.device != OPTIONS["device"]:
        arguments += _option("device", grid.device)
    return (*arguments, *_option("extractor", grid.extractor))


def parity_command(
    grid: Grid, model: str, setting: Setting, seed: int, pair: tuple[str, str]
) -> tuple[str, ...]:
    """Return the command that measures the parity of two backends on the model's data."""
    arguments = ["parity", model, *_option("backends", pair), *_option("seed", seed)]
    try:
        entry = find_model(model)
    except NotFoundError:  # of a plugin that is not installed where the report is written
        entry = None
    settings = Settings(data=grid.data, classes=grid.classes).with_recipe(entry)
    arguments += [*_option("data", settings.data), *_option("data_dir", grid.data_dir)]
    arguments += _option("classes", settings.classes or None)
    arguments += [*_set_options(grid.base, setting), "--size", "full", "--tier", "baseline"]
    return (*arguments, *_option("steps", grid.parity_steps))


def _set_options(*settings: Setting) -> Iterator[str]:
    for setting in settings:
        for text in setting.texts:
            yield from _option("set", text)


def _option(name: str, value: Any) -> Iterator[str]:
    """Yield an option and its value; nothing if there is no value."""
    if value is None:
        return
    text = ",".join(map(str, value)) or "all" if isinstance(value, tuple) else str(value)
    option = f"--{OPTION_NAMES.get(name, name).replace('_', '-')}"
    if text.startswith("-"):
        yield f"{option}={text}"
    else:
        yield from (option, text)
