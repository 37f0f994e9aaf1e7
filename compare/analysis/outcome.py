"""The outcome of a comparison as plain data: parity, differences of scores, and costs."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gandem.compare.analysis.final_difference import measure_final_differences
from gandem.compare.analysis.parity_verdicts import judge_parity
from gandem.compare.analysis.ranking import key_protocol, rank_groups
from gandem.compare.analysis.statistics import compare_groups, format_difference
from gandem.compare.analysis.summary import join_names, summarize
from gandem.compare.comparison import CellRecord, Comparison
from gandem.compare.grid import Grid
from gandem.compare.labels import label_grid
from gandem.compare.records import keep_finite
from gandem.core.documents import finite, is_number
from gandem.core.runs import Run
from gandem.metrics.evaluation import MEASURES

FACTS = ("spec_digest", "gandem", "versions", "device", "machine", "command", "started")
"""Fields of a run's record that a cell repeats."""
COSTS = ("steps_per_second", "seconds_to_first_step", "seconds", "peak_memory")
AVERAGED = "averaged"
"""What ``gandem evaluate`` calls a moving average of the weights (EMA)."""

CellData = Mapping[str, Any]
Groups = Mapping[tuple[str, str, str], Sequence[CellData]]
"""The cells of each model, setting and backend, one for each seed."""


def analyze(comparison: Comparison, records: Sequence[CellRecord] | None = None) -> dict[str, Any]:
    """Return all figures of a comparison, for its report and for ``--json``.

    Args:
        records: those of all cells; by default they are read.
    """
    records = comparison.read_all() if records is None else records
    cells = [_describe_cell(record) for record in records]
    grid, groups = comparison.grid, _group(cells)
    outcome: dict[str, Any] = {
        "out": str(comparison.path),
        "grid": grid.to_data(),
        "cells": cells,
        "parity": judge_parity(comparison, comparison.failures()),
        "final_differences": measure_final_differences(grid, records),
        "rankings": _rank(comparison, records, groups) if len(groups) > 1 else [],
        "differences": _compare(grid, groups),
        "costs": _summarize_costs(groups),
    }
    data: dict[str, Any] = finite({"verdict": summarize(outcome), **outcome})
    return data


def _describe_cell(record: CellRecord) -> dict[str, Any]:
    cell, run, state = record.cell, record.run, record.state
    last, best = pick_scores(record, "last"), pick_scores(record, "best")
    return {
        "model": cell.model,
        "setting": cell.setting.name,
        "backend": cell.backend,
        "seed": cell.seed,
        "folder": str(record.folder),
        "state": state.name,
        "problem": state.problem,
        "step": state.step,
        "total": state.total,
        "health": _read_health(run),
        "values": last.get("values", {}),
        "best_values": best.get("values", {}),
        "best_step": (best.get("details") or {}).get("step"),
        "real_baseline": last.get("real_baseline", {}),
        "protocol": last.get("protocol", {}),
        "weights": _read_weights(last),
        **{name: getattr(run.record, name) if run else None for name in FACTS},
        **_read_costs(run),
    }


def pick_scores(record: CellRecord, checkpoint: str) -> Mapping[str, Any]:
    """Return the scores of the last or the best checkpoint, empty if there are none.

    If the weights are averaged, those of the average count. The best checkpoint may be the last.
    """

    def rank_row(row: Mapping[str, Any]) -> tuple[bool, bool]:
        name = (row.get("details") or {}).get("checkpoint", "last")
        return name != checkpoint, _read_weights(row) != AVERAGED

    return min(record.scores, key=rank_row, default={})


def _read_weights(row: Mapping[str, Any]) -> str | None:
    """Return ``"averaged"`` or ``"raw"``, if the scores say of which weights they are."""
    weights = (row.get("details") or {}).get("weights")
    return weights if weights in (AVERAGED, "raw") else None


def _read_health(run: Run | None) -> str:
    health = run.record.health if run else None
    return str(health.get("verdict", "")) if isinstance(health, dict) else ""


def _read_costs(run: Run | None) -> dict[str, Any]:
    checkpoints = run.checkpoints() if run else []
    size = checkpoints[-1].stat().st_size if checkpoints else None
    costs = keep_finite({name: getattr(run.record, name) if run else None for name in COSTS})
    return {**costs, "checkpoint_bytes": size}


# --- differences and costs -----------------------------------------------------------------------


def _group(cells: Sequence[CellData]) -> Groups:
    groups: dict[tuple[str, str, str], list[CellData]] = {}
    for cell in sorted(cells, key=lambda cell: cell["seed"]):
        groups.setdefault((cell["model"], cell["setting"], cell["backend"]), []).append(cell)
    return groups


def _rank(
    comparison: Comparison, records: Sequence[CellRecord], groups: Groups
) -> list[dict[str, Any]]:
    """Return the groups of runs by each measure that has a direction, the best first."""
    runs = [record.run for record in records]
    labels = label_grid(comparison.grid, comparison.cells(), runs)
    rankings = (rank_groups(groups, measure, labels.join) for measure in MEASURES)
    return [ranking for ranking in rankings if ranking]


def _compare(grid: Grid, groups: Groups) -> list[dict[str, Any]]:
    """Return the differences, in each measure, between backends within each model and setting,
    between settings of a model on a backend, and between models.
    """
    of_setting = {s: s.name if len(grid.settings) > 1 else "" for s in grid.settings}
    of_backend = {b: f"on {b}" if len(grid.backends) > 1 else "" for b in grid.backends}
    rows: list[dict[str, Any]] = []
    for model in grid.models:
        title = model if len(grid.models) > 1 else ""
        tables: list[tuple[str, dict[str, Sequence[CellData]]]] = []
        for setting in grid.settings:
            by = {b: groups[model, setting.name, b] for b in grid.backends}
            tables.append((join_names(title, of_setting[setting]), by))
        for backend in grid.backends:
            by = {s.name: groups[model, s.name, backend] for s in grid.settings}
            tables.append((join_names(title, of_backend[backend]), by))
        rows += [row | {"model": model} for name, by in tables for row in _compare_group(name, by)]
    for setting, backend in itertools.product(grid.settings, grid.backends):
        by = {model: groups[model, setting.name, backend] for model in grid.models}
        name = join_names("models", of_setting[setting], of_backend[backend])
        rows += [row | {"model": None} for row in _compare_group(name, by)]
    return rows


def _compare_group(name: str, by: Mapping[str, Sequence[CellData]]) -> list[dict[str, Any]]:
    """Return the differences of each pair in each measure that both have.

    Only cells that were scored with the most frequent protocol are compared.
    """
    counts = Counter(filter(None, (key_protocol(cell) for of in by.values() for cell in of)))
    if not counts:
        return []
    ((protocol, _),) = counts.most_common(1)
    same = {key: [c for c in of if key_protocol(c) == protocol] for key, of in by.items()}
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        values = {key: _read_values(of, measure) for key, of in same.items()}
        for difference in compare_groups(measure, {k: v for k, v in values.items() if v}):
            text = format_difference(difference)
            rows.append({"group": name, **difference.to_data(), "text": text})
    return rows


def _read_values(cells: Sequence[CellData], measure: str) -> list[float]:
    values = [cell["values"].get(measure) for cell in cells]
    return [value for value in values if value is not None]


def _summarize_costs(groups: Groups) -> list[dict[str, Any]]:
    """Return the medians over seeds of the costs of each model, setting and backend."""
    rows = []
    for (model, setting, backend), cells in groups.items():
        row: dict[str, Any] = {"model": model, "setting": setting, "backend": backend}
        for name in (*COSTS, "checkpoint_bytes"):
            values = [cell[name] for cell in cells if is_number(cell[name]) and cell[name]]
            row[name] = statistics.median(values) if values else None
        rows.append(row)
    return rows
