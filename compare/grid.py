"""What a comparison consists of: cells, each of which is one training, or one measurement of two
backends against each other, in a folder of its own.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import BackendError, SpecError, shown
from gandem.core.plugins.installation import install_command
from gandem.core.runs import Settings
from gandem.core.specs import digest, find_model, load_spec, parse_setting
from gandem.core.training import (
    OUTSIDE_PARITY,
    Feed,
    find_backend,
    installed_backends,
    resolve_loss,
)
from gandem.metrics.evaluation.features import find_extractor

__all__ = ["Cell", "Grid", "Setting", "cells_of", "check_grid", "parse_variation", "settings_from"]

AS_IT_IS = "as it is"
LONGEST = 160
"""Bytes of a folder's name; one that would be longer is told by its hash."""
MOST_SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Setting:
    """Fields of the spec that a column of the grid has, ``("latent=32",)``; empty for the model as
    it is.
    """

    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """In a few words, for people."""
        return ", ".join(self.changes) or AS_IT_IS


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One training.

    Attributes:
        model: a model's id, or the path of a spec's file.
    """

    model: str
    setting: Setting
    backend: str
    seed: int

    @property
    def folder(self) -> str:
        """The folder's name within the comparison's."""
        return _folder(self.model, self.setting.changes, self.backend, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Everything that a comparison is.

    Attributes:
        data, classes, data_dir, epochs, steps, precision: of every training; left out, as the
            model's recipe and spec say.
        device: of every training and its scores; walks side by side stay on the processor.
        count: images that are scored; extractor: whose features.
        evaluate_every: epochs between two scores while training; 0 for none.
        path_steps: steps that two backends are followed side by side, in float64; 0 for none.
        changes: fields of every spec.
        specs: the digest of each spec, those of a model's settings together.
        totals: the steps of a training of each spec.
    """

    models: tuple[str, ...]
    settings: tuple[Setting, ...] = (Setting(),)
    backends: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    data: str | None = None
    data_dir: str | None = None
    classes: tuple[int, ...] | None = None
    epochs: int | None = None
    steps: int | None = None
    precision: str = "float32"
    device: str = "auto"
    count: int = 10_000
    extractor: str | None = None
    evaluate_every: int = 0
    path_steps: int = 50
    changes: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    totals: tuple[int, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Grid:
        """Read what :meth:`to_data` returned, from JSON.

        Raises:
            TypeError, KeyError: it is something else.
        """
        plain: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in data.items()
        }
        settings = tuple(Setting(tuple(setting["changes"])) for setting in data["settings"])
        grid = cls(**plain | {"settings": settings})
        if not (grid.models and grid.settings and grid.backends and grid.seeds):
            raise TypeError("it is empty")
        words = (*grid.models, *grid.backends, *grid.changes, *grid.specs)
        words += tuple(change for setting in settings for change in setting.changes)
        named = (grid.data, grid.data_dir, grid.extractor)
        words += (grid.precision, grid.device, *(word for word in named if word is not None))
        whole = (*grid.seeds, *grid.totals, grid.count, grid.evaluate_every, grid.path_steps)
        whole += (*(grid.classes or ()), *(n for n in (grid.epochs, grid.steps) if n is not None))
        if not all(isinstance(word, str) for word in words) or {*map(type, whole)} != {int}:
            raise TypeError("a text or a number is none")
        return grid

    def total(self, model: str, setting: Setting) -> int:
        """Return the steps of a training; 0 where they were not found out."""
        changes = [one.changes for one in self.settings]  # which are compared fast
        place = self.models.index(model) * len(changes) + changes.index(setting.changes)
        return self.totals[place] if place < len(self.totals) else 0

    def cells(self) -> list[Cell]:
        """Return the trainings, so that those to be compared first are made first: all backends of
        a seed, then the next seed.
        """
        return [
            Cell(model=model, setting=setting, backend=backend, seed=seed)
            for seed, model, setting, backend in itertools.product(
                self.seeds, self.models, self.settings, self.backends
            )
        ]

    def pairs(self) -> Iterator[tuple[str, Setting, int, tuple[str, str]]]:
        """Yield what is followed side by side: model, setting, seed and two backends."""
        if not self.path_steps:
            return
        for seed, model, setting in itertools.product(self.seeds, self.models, self.settings):
            for pair in itertools.combinations(self.backends, 2):
                yield model, setting, seed, pair


@lru_cache(maxsize=8)
def cells_of(grid: Grid) -> tuple[Cell, ...]:
    """Return the cells of a grid; found once, for whoever looks at thousands asks often.

    Raises:
        SpecError: two of them would lie in one folder.
    """
    cells = tuple(grid.cells())
    for name, times in Counter(cell.folder.casefold() for cell in cells).items():
        if times > 1:
            raise SpecError(
                f"Two cells of the grid would lie in one folder, {name}; name each value once, and "
                "call specs differently."
            )
    return cells


def parse_variation(text: str) -> tuple[str, tuple[str, ...]]:
    """Read ``path=a,b,c``: a field, or a model's parameter, and its values.

    Commas within brackets or quotes belong to a value.

    >>> parse_variation("hidden=[1,2],[3]")
    ('hidden', ('[1,2]', '[3]'))

    Raises:
        SpecError: there is no field or no value.
    """
    path, equals, values = text.partition("=")
    found = tuple(value.strip() for value in _split(values))
    if not (equals and path.strip() and all(found)):
        raise SpecError(f"sweep: expected FIELD=A,B,C, received {shown(text)}.")
    if len(set(found)) < len(found):
        raise SpecError(f"sweep: a value of {path.strip()} is named twice in {shown(text)}.")
    return path.strip(), found


def settings_from(variations: Sequence[str], changes: Sequence[str] = ()) -> tuple[Setting, ...]:
    """Return every combination of what varies.

    Args:
        changes: of every spec; what varies is not among them.
    """
    parsed = [parse_variation(text) for text in variations]
    paths = [path for path, _ in parsed]
    for path in paths:
        if paths.count(path) > 1:
            raise SpecError(f"sweep: {path} is named twice; give all its values at once.")
        if any(change.partition("=")[0].strip() == path for change in changes):
            raise SpecError(f"sweep: {path} is set as well; leave one of them out.")
    every = itertools.product(*([f"{path}={value}" for value in values] for path, values in parsed))
    return tuple(Setting(changes) for changes in every)


def _split(text: str) -> Iterator[str]:
    depth, quote, start = 0, "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == "," and not depth:
            yield text[start:at]
            start = at + 1
    yield text[start:]


@lru_cache(maxsize=1 << 14)
def _folder(model: str, changes: tuple[str, ...], backend: str, seed: int) -> str:
    name = "_".join(_plain(part) for part in (model, *changes, backend, f"seed{seed}"))
    if len(name.encode()) <= LONGEST:
        return name
    return f"{sha256(name.encode()).hexdigest()[:16]}_{_plain(backend)}_seed{seed}"


def _plain(text: str) -> str:
    return re.sub(r"[^\w.=-]+", "-", text).strip("-.")


def check_grid(grid: Grid) -> Grid:
    """Return a grid that can be begun: no backends have become all that are installed, and every
    spec fits the data, which lies ready from now on.

    Raises:
        GandemError: something of it is not there, or does not fit; or nothing would be compared.
    """
    Settings(precision=cast(Any, grid.precision))
    if grid.precision in OUTSIDE_PARITY:
        raise SpecError(f"precision: {OUTSIDE_PARITY[grid.precision]}.")
    backends = backends_of(grid.backends)
    for name, times in Counter(backends).items():
        if times > 1:
            raise SpecError(f"backends: {name} is named twice.")
    if len(backends) * len(grid.models) * len(grid.settings) == 1:
        raise SpecError(
            f"There is nothing to compare: one model, as it is, on {backends[0]}. Name "
            "another backend (--backends; 'gandem list' says how to install it), or values of a "
            "field (--sweep)."
        )
    if grid.extractor:
        find_extractor(grid.extractor)
    checked = [_checked(grid, model, s) for model in grid.models for s in grid.settings]
    specs, totals = zip(*checked, strict=True)
    every = itertools.product(grid.models, grid.settings)
    seen: dict[tuple[str, str], Setting] = {}
    for (model, setting), spec in zip(every, specs, strict=True):
        if (other := seen.setdefault((model, spec), setting)) != setting:
            raise SpecError(
                f"sweep: {other.name} and {setting.name} are the same {model}; "
                "name each value once."
            )
    return replace(grid, backends=backends, specs=specs, totals=totals)


def backends_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of backends; of none, of all that are installed.

    Raises:
        BackendError, NotFoundError: there is none, or not this one.
    """
    there = installed_backends()
    if not there:
        command = install_command("torch")
        raise BackendError(f"No backend is installed. Install one with: {command}")
    return tuple(find_backend(name).id for name in names) or tuple(there)


def _checked(grid: Grid, model: str, setting: Setting) -> tuple[str, int]:
    """Return the digest of a spec that can be trained on the grid's data, and its steps."""
    entry = find_model(model)
    changes = dict(map(parse_setting, (*grid.changes, *setting.changes)))
    spec = load_spec(entry or model, changes)
    loss = resolve_loss(spec)
    settings = Settings(
        data=grid.data, classes=grid.classes, epochs=grid.epochs, steps=grid.steps
    ).with_recipe(entry)
    dataset = load_dataset(
        settings.data or "digits", grid.data_dir, spec.image.shape, settings.classes
    )
    feed = Feed(spec, loss, dataset, 0, grid.precision)
    epochs = settings.epochs or spec.training.epochs
    return digest(spec), settings.steps or feed.steps_for(epochs)
