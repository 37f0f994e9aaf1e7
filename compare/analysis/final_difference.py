"""The difference of two backends at the end of their runs, in float64."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gandem.compare.comparison import CellRecord
from gandem.compare.grid import Grid
from gandem.core.errors import GandemError
from gandem.core.runs import Run
from gandem.core.specs import Points
from gandem.core.training import weights
from gandem.visualize.images import read_image


def measure_final_differences(grid: Grid, records: Sequence[CellRecord]) -> list[dict[str, Any]]:
    """Return the largest differences of weights and samples, for each pair of finished runs.

    In float32, two runs drift apart as two seeds do; nothing is measured there.
    """
    if grid.precision != "float64" or len(grid.backends) == 1:
        return []
    groups: dict[tuple[str, str, int], list[CellRecord]] = {}
    for record in records:
        if record.run is not None and record.run.record.state == "finished":
            cell = record.cell
            groups.setdefault((cell.model, cell.setting.name, cell.seed), []).append(record)
    rows = []
    for (model, setting, seed), group in groups.items():
        for first, second in itertools.combinations(group, 2):
            if difference := _measure(first.run, second.run):
                backends = (first.cell.backend, second.cell.backend)
                key = {"model": model, "setting": setting, "seed": seed, "backends": backends}
                rows.append(key | difference)
    return rows


def _measure(first: Run | None, second: Run | None) -> dict[str, Any] | None:
    assert first is not None
    assert second is not None
    if first.record.steps != second.record.steps or first.spec != second.spec:
        return None
    try:
        ours, theirs = (weights(run.spec, run.state()) for run in (first, second))
    except GandemError:  # a checkpoint that is missing or damaged
        return None
    return {
        "step": first.record.steps,
        "weights_max": max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours),
        "pixels_max": None
        if isinstance(first.spec.image, Points)
        else _compare_samples(first, second),
    }


def _compare_samples(first: Run, second: Run) -> int | None:
    """Return the largest difference of a pixel in the last grids of samples, of 255."""
    paths: list[Path] = [run.samples()[-1] for run in (first, second) if run.samples()]
    if len(paths) < 2 or paths[0].name != paths[1].name:
        return None
    try:
        one, other = (read_image(path).astype(int) for path in paths)
    except GandemError:
        return None
    return int(np.abs(one - other).max()) if one.shape == other.shape else None
