"""The grid of a comparison: models × settings × backends × seeds; each cell is a run."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any, ClassVar, cast

from gandem.compare.sweeps import Setting
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import SpecError
from gandem.core.fields import Checked, Count, Range, decode
from gandem.core.runs import Settings
from gandem.core.runs.run import pick_backend
from gandem.core.runs.transfer.name_map import read_name_map
from gandem.core.runs.transfer.source import WeightSource, read_source
from gandem.core.runs.transfer.transfer import Transfer
from gandem.core.specs import digest, find_model, load_spec
from gandem.core.training import (
    OUTSIDE_PARITY,
    find_backend,
    initial_state,
    installed_backends,
    make_feed,
    resolve_loss,
)
from gandem.metrics.evaluation.features import find_extractor
from gandem.metrics.evaluation.reference_statistics import count_images

MAX_FOLDER_LENGTH = 160
"""Bytes of the name of a cell's folder; a longer one is replaced by a hash."""
MAX_SEEDS = 1000
MAX_CELLS = 100_000
Number = Annotated[int, Range(0, 2**63 - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run.

    Attributes:
        model: a model's id, or the path of a spec file.
    """

    model: str
    setting: Setting
    backend: str
    seed: int

    @property
    def folder(self) -> str:
        """The name of its folder within that of the comparison."""
        return _make_folder_name(self.model, self.setting.texts, self.backend, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid(Checked):
    """The plan of a comparison.

    Attributes:
        data, classes, data_dir, epochs, steps, precision: of every run; by default those of the
            model's recipe and of the spec.
        start_from: the run, or the file, whose weights every run starts from; parity is measured
            from initial weights.
        device: of every run and its scores; the parity of backends is measured on the CPU.
        num_samples: images that are scored; extractor: whose features.
        evaluate_every: epochs between the evaluations of a training; 0 for none.
        parity_steps: steps over which two backends are compared in float64; 0 for none.
        base: changes of every spec.
        specs: the digest of each spec, those of a model's settings together.
        totals: the steps of a run with each spec.
    """

    _title: ClassVar[str] = "the plan"

    models: tuple[str, ...]
    settings: tuple[Setting, ...] = (Setting(),)
    backends: tuple[str, ...]
    seeds: tuple[Number, ...] = (0, 1, 2)
    data: str | None = None
    data_dir: str | None = None
    classes: tuple[Number | str, ...] | None = None
    epochs: Count | None = None
    steps: Number | None = None
    precision: str = "float32"
    start_from: str | None = None
    device: str = "auto"
    num_samples: Count = 10_000
    extractor: str | None = None
    evaluate_every: Number = 0
    parity_steps: Number = 50
    base: Setting = field(default_factory=Setting)
    specs: tuple[str, ...] = ()
    totals: tuple[Number, ...] = ()

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        cells = len(self.models) * len(self.settings) * len(self.backends) * len(self.seeds)
        if not 1 <= cells <= MAX_CELLS:
            raise SpecError(f"The grid has {cells:,} runs; expected 1 to {MAX_CELLS:,}.")

    def to_data(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Grid:
        """Return the plan from plain data.

        Raises:
            SpecError: the data is something else; the message names the first wrong field.
        """
        grid: Grid = decode(cls, data)
        for setting in (grid.base, *grid.settings):
            setting.changes  # noqa: B018  # raises for a text that is not a change
        return grid

    def total(self, model: str, setting: Setting) -> int:
        """Return the steps of a run; 0 if unknown."""
        place = self.models.index(model) * len(self.settings) + self.settings.index(setting)
        return self.totals[place] if place < len(self.totals) else 0

    def cells(self) -> tuple[Cell, ...]:
        """Return the cells, in the order of training: all backends of a seed, then the next seed.

        Raises:
            SpecError: two cells would share a folder.
        """
        return _make_cells(self.models, self.settings, self.backends, self.seeds)

    def pairs(self) -> Iterator[tuple[str, Setting, int, tuple[str, str]]]:
        """Yield the parity measurements: model, setting, seed and two backends."""
        if not self.parity_steps:
            return
        for seed, model, setting in itertools.product(self.seeds, self.models, self.settings):
            for pair in itertools.combinations(self.backends, 2):
                yield model, setting, seed, pair


@lru_cache(maxsize=8)
def _make_cells(
    models: tuple[str, ...],
    settings: tuple[Setting, ...],
    backends: tuple[str, ...],
    seeds: tuple[int, ...],
) -> tuple[Cell, ...]:
    product = itertools.product(seeds, models, settings, backends)
    cells = tuple(
        Cell(model=model, setting=setting, backend=backend, seed=seed)
        for seed, model, setting, backend in product
    )
    for name, count in Counter(cell.folder.casefold() for cell in cells).items():
        if count > 1:
            raise SpecError(
                f"Two cells of the grid would have the same folder, {name}; give each value once, "
                "and spec files different names."
            )
    return cells


@lru_cache(maxsize=1 << 14)
def _make_folder_name(model: str, texts: tuple[str, ...], backend: str, seed: int) -> str:
    name = "_".join(_make_file_name(part) for part in (model, *texts, backend, f"seed{seed}"))
    if len(name.encode(errors="replace")) <= MAX_FOLDER_LENGTH:
        return name
    hashed = sha256(name.encode(errors="replace")).hexdigest()[:16]
    return f"{hashed}_{_make_file_name(backend)[: MAX_FOLDER_LENGTH // 2]}_seed{seed}"


def _make_file_name(text: str) -> str:
    return re.sub(r"[^\w.=-]+", "-", text).strip("-.")


# --- checks before the first run -----------------------------------------------------------------


def check_grid(grid: Grid) -> Grid:
    """Return the grid with the digest and the steps of each spec, if all of it can be run.

    The data set is downloaded and prepared here, before the first run.

    Raises:
        GandemError: something is missing or does not fit.
    """
    Settings(precision=cast(Any, grid.precision))
    if grid.precision in OUTSIDE_PARITY:
        raise SpecError(f"precision: {OUTSIDE_PARITY[grid.precision]}.")
    backends = pick_backends(grid.backends)
    for name, count in Counter(backends).items():
        if count > 1:
            raise SpecError(f"backends: {name} occurs twice.")
    if grid.extractor:
        find_extractor(grid.extractor)
    product = list(itertools.product(grid.models, grid.settings))
    source = read_source(grid.start_from) if grid.start_from else None
    checked = [_check_spec(grid, model, setting, source) for model, setting in product]
    specs, totals = zip(*checked, strict=True)
    seen: dict[tuple[str, str], Setting] = {}
    for (model, setting), spec in zip(product, specs, strict=True):
        if (other := seen.setdefault((model, spec), setting)) != setting:
            raise SpecError(
                f"sweep: {other.name} and {setting.name} make the same {model}; give each value "
                "once."
            )
    return replace(grid, backends=backends, specs=specs, totals=totals)


def pick_backends(names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of backends; those of all installed ones if ``names`` is empty.

    Raises:
        BackendError, NotFoundError: none is installed, or there is no such backend.
    """
    pick_backend()  # raises an error if none is installed
    return tuple(find_backend(name).id for name in names) or tuple(installed_backends())


def _check_spec(
    grid: Grid, model: str, setting: Setting, source: WeightSource | None
) -> tuple[str, int]:
    """Return the digest of a spec that can be trained on the grid's data, and its steps.

    Args:
        source: of the first weights.
    """
    entry, changes = find_model(model), grid.base.changes | setting.changes
    spec = load_spec(entry or model, changes)
    if source is not None:
        transfer = Transfer(spec, source, read_name_map(None), entry or model, changes)
        transfer.load(initial_state(spec, 0, grid.precision))  # raises an error for a misfit
    loss = resolve_loss(spec)
    settings = Settings(
        data=grid.data, classes=grid.classes, epochs=grid.epochs, steps=grid.steps
    ).with_recipe(entry)
    dataset = load_dataset(
        settings.data or "digits", grid.data_dir, spec.image.shape, settings.classes
    )
    count_images(dataset, grid.num_samples)  # raises an error if they are too few
    feed = make_feed(spec, loss, dataset, 0, grid.precision)
    return digest(spec), settings.steps or feed.count_steps(settings.epochs)
