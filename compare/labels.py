"""Labels of models, settings, backends and seeds, and their places in the grid.

Names may be anything, so the page refers to them by their place in the grid: ``m`` of models, ``v``
of settings (variations), ``b`` of backends, ``s`` of seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from gandem.compare.grid import Cell, Grid
from gandem.compare.sweeps import Setting
from gandem.core.runs import Run

COLORS, DASHES = 6, 4
"""Numbers of colors and dashes in the style sheet."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a grid.

    Attributes:
        models: the label of each model.
        settings: the label of each setting, by its full name.
    """

    grid: Grid
    models: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def dimensions(self) -> list[str]:
        """What distinguishes two groups of runs: of model, setting and backend those that vary."""
        grid = self.grid
        counts = {"model": grid.models, "setting": grid.settings, "backend": grid.backends}
        return [name for name, values in counts.items() if len(values) > 1] or ["backend"]

    @property
    def colored(self) -> str:
        """The dimension that has colors and stands side by side: backends, if there are several."""
        return next(name for name in ("backend", "setting", "model") if name in self.dimensions)

    def get(self, row: Mapping[str, Any], dimension: str) -> str:
        """Return the label of a row's model, setting or backend."""
        name = str(row[dimension])
        labels = {"model": self.models, "setting": self.settings}.get(dimension, {})
        return labels.get(name, name)

    def join(self, row: Mapping[str, Any], *more: str) -> str:
        """Return what distinguishes a row from the others, in one line.

        Args:
            more: appended; without it, the dimensions of ``row`` alone.
        """
        names = [self.get(row, name) for name in self.dimensions if name in row]
        return ", ".join((*names, *more))

    def marks(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the places of a row's model, setting, backends and seed in the grid."""
        grid = self.grid
        marks: dict[str, Any] = {}
        if "model" in row:
            marks["m"] = grid.models.index(row["model"])
        if "setting" in row:
            marks["v"] = [setting.name for setting in grid.settings].index(row["setting"])
        if backends := [row["backend"]] if "backend" in row else row.get("backends", ()):
            marks["b"] = " ".join(str(grid.backends.index(name)) for name in backends)
        if "seed" in row:
            marks["s"] = grid.seeds.index(row["seed"])
        return marks

    def style(self, row: Mapping[str, Any]) -> str:
        """Return the color and the dash of a row, as classes of the style sheet."""
        place = int(self.marks(row)[{"model": "m", "setting": "v", "backend": "b"}[self.colored]])
        return f"c{place % COLORS} d{place % DASHES}"


def label_grid(grid: Grid, cells: Sequence[Cell], runs: Sequence[Run | None]) -> Labels:
    """Return the labels of a grid.

    Args:
        runs: the run of each cell, if it has started.
    """
    specs: dict[str, str] = {}
    for cell, run in zip(cells, runs, strict=True):
        if run is not None:
            specs.setdefault(cell.model, run.spec.name)
    return Labels(grid, label_models(grid.models, specs), label_settings(grid.settings))


def label_models(models: Sequence[str], specs: Mapping[str, str]) -> dict[str, str]:
    """Return a label of each model: the name of its spec, with the path if several have that name.

    >>> label_models(["a/x.toml", "b/y.toml", "dcgan"], {"a/x.toml": "dcgan", "b/y.toml": "wgan"})
    {'a/x.toml': 'dcgan (a/x.toml)', 'b/y.toml': 'wgan', 'dcgan': 'dcgan'}
    """
    is_file = {model: model.lower().endswith((".toml", ".json")) for model in models}
    names = {m: specs.get(m) or (PurePath(m).stem if is_file[m] else m) for m in models}
    counts = Counter(names.values())
    return {
        model: name if counts[name] == 1 or name == model else f"{name} ({model})"
        for model, name in names.items()
    }


def label_settings(settings: Sequence[Setting]) -> dict[str, str]:
    """Return a label of each setting, by its name: the fields that differ, with short paths.

    >>> rate = "generator.optimizer.learning_rate"
    >>> a, b = (Setting((f"{rate}={value}", "width=8")) for value in ("1e-4", "2e-4"))
    >>> [*label_settings([a, b]).values()]
    ['learning_rate=1e-4', 'learning_rate=2e-4']
    """
    rows = [{p.strip(): v for p, _, v in (c.partition("=") for c in s.texts)} for s in settings]
    paths = dict.fromkeys(path for row in rows for path in row)
    differ = [path for path in paths if len({row.get(path) for row in rows}) > 1]
    ends = {path: _shorten(path, differ) for path in differ}
    labels = [
        ", ".join(f"{ends[path]}={row[path]}" for path in differ if path in row) for row in rows
    ]
    return {s.name: label or s.name for s, label in zip(settings, labels, strict=True)}


def _shorten(path: str, paths: Sequence[str]) -> str:
    """Return the shortest end of a dotted path that no other path has, or its first and last part.

    >>> paths = ["generator.optimizer.beta1", "discriminator.optimizer.beta1", "training.ema"]
    >>> [_shorten(path, paths) for path in paths]
    ['generator…beta1', 'discriminator…beta1', 'ema']
    """
    first, *middle, last = path.split(".") if "." in path else (path, path)
    for count in range(1, len(middle) + 2):
        end = ".".join([*middle, last][-count:])
        if sum(f".{other}".endswith(f".{end}") for other in paths) == 1:
            return end
    is_unique = sum(o.startswith(f"{first}.") and o.endswith(f".{last}") for o in paths) == 1
    return f"{first}…{last}" if middle and is_unique else path
